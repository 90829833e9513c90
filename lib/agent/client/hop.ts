import type { Connection } from "../../model/connection";
import { ConnectionFailed, ConsfigError } from "../../model/errors";
import { defhop } from "../../model/hop";
import { either, object, optional, type Schema, string } from "../../model/schema";
import { Pace } from "./_pace";
import { startRelay } from "./bootstrap";
import type { AgentConnection } from "./connection";
import { AgentLink } from "./link";

/** The public registry of npm. */
const NPM = "https://registry.npmjs.org";
/** No credentials: everybody on the host could see them. */
const registry = () =>
  string({
    pattern: "^https?://[^\\s@?#]+$",
    description: "the URL of an npm registry, without credentials",
  });
const no: Schema<false> = { enum: [false] };

/**
 * Runs the deployment in an agent process on the host: it continues when the connection is lost. The first connection
 * installs everything the agent needs; the host only needs a POSIX shell. Meanwhile the deployment begins over the shell.
 * If sending the runtime takes longer than a second, the host also tries to download the same from `registry`, by default
 * that of npm; whichever is there first is used. With `registry: false`, the host asks nobody.
 *
 * @example via.agent()
 * @example via.agent({ registry: "https://npm.example.org" })
 * @example via.agent({ registry: false })
 */
export const agent = defhop({
  name: "agent",
  args: object({ registry: optional(either(registry(), no)) }),
  agent: true,
  sees: () => ({ root: "/" }),
  open: async ({ registry = NPM }, { parent, artifacts, progress, signal }) => {
    signal.throwIfAborted();
    const pace = new Pace(parent);
    const bare = Promise.withResolvers<void>();
    const arrival = startRelay(parent, artifacts, progress, {
      onBare: bare.resolve,
      pace,
      registry: registry ? registry.replace(/[/]+$/, "") : undefined,
    })
      .then((relay) => AgentLink.open(relay))
      .catch((error: unknown) => {
        if (error instanceof ConnectionFailed || !(error instanceof ConsfigError)) throw error;
        throw new ConnectionFailed("via.agent()", error.message, { cause: error });
      })
      .finally(() => pace.end());
    const connection = new Arriving(parent, arrival, pace);
    await Promise.race([arrival, bare.promise]);
    return connection;
  },
});

class Arriving implements AgentConnection {
  readonly description: string;
  readonly closed: Promise<Error | undefined>;
  readonly local: boolean;
  #agent: AgentLink | undefined;
  /** True: the agent cannot arrive, so another connection is to be opened next time. */
  #failed = false;
  #isClosed = false;

  constructor(
    readonly parent: Connection,
    readonly arrival: Promise<AgentLink>,
    private readonly pace: Pace,
  ) {
    this.description = `${parent.description}, via.agent()`;
    this.local = parent.local === true;
    this.closed = arrival.then(
      (link) => link.closed,
      () => parent.closed,
    );
    arrival.then(
      (link) => {
        this.#agent = link;
        if (this.#isClosed) link.close();
      },
      () => {
        this.#failed = true;
      },
    );
  }

  get agent(): AgentLink | undefined {
    return this.#agent;
  }

  get alive(): boolean {
    return !this.#failed && !this.#isClosed && this.parent.alive && this.#agent?.alive !== false;
  }

  arrived(): Promise<AgentLink> {
    this.pace.hurry();
    return this.arrival;
  }

  exec(command: string): ReturnType<Connection["exec"]> {
    return this.parent.exec(command);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.pace.end();
    this.#agent?.close();
  }
}
