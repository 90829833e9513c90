import { constants } from "node:os";
import type { Channel, Connection } from "../../model/connection";
import { ConnectionFailed } from "../../model/errors";
import { shellQuote, shellWords } from "../../util/shell-quote";
import { drained, outputHeld } from "../_drained";
import { StderrMarkers } from "../_marks";
import { Running } from "../_running";
import { type Askpass, askpass } from "./_askpass";
import { type Destination, destinationWords } from "./_config";
import { Deadline } from "./_deadline";
import { type ConnectOptions, cancellation, MISSES, type Route, type SshEndpoint } from "./_endpoints";
import { loginCommand } from "./_login";
import { answers } from "./_reasons";
import { Sessions } from "./_sessions";
import { afterSsh } from "./_stderr";

/**
 * Connects through the system's `ssh`. One `ssh` holds the connection and shares it (ControlMaster) at a socket in a
 * private directory; each command is an `ssh` that goes through there. The holder ends when its input does, which is
 * when we are gone, and takes the directory with it.
 */
export async function connectByOpenssh(route: Route, options: ConnectOptions): Promise<Connection> {
  const { parent, endpoint } = route;
  const ask = parent.local ? options.ask : undefined;
  const deadline = new Deadline(options.connectTimeoutSeconds, options.signal);
  const pausing = deadline.pausing(ask);
  const asking = pausing && (await askpass(pausing, (text) => options.progress({ kind: "notice", text })));
  const used = endpoint?.config.value("controlpath");
  const shared = used !== undefined && (await answers(used)) ? used : undefined;
  let holder: Channel | undefined;
  try {
    deadline.signal.throwIfAborted();
    const ready = new StderrMarkers();
    holder = await parent.exec(holding(route, options, asking, shared, ready));
    const end = () => holder?.kill("SIGTERM");
    deadline.signal.addEventListener("abort", end);
    const said = new Ending(holder);
    const socket = await new Promise<string | undefined>((resolve) => {
      let directory = shared ?? "";
      const stdout = ready.filter((holder as Channel).stdout, (text) => {
        if (text === "ready") resolve(directory);
        else directory = `${text}/socket`;
      });
      stdout.resume();
      void said.exit.then(() => resolve(undefined));
    });
    deadline.signal.removeEventListener("abort", end);
    if (socket === undefined) {
      if (options.signal.aborted) throw cancellation(options);
      const place = placeOf(route);
      const waited = deadline.passed ? options.connectTimeoutSeconds : undefined;
      throw new ConnectionFailed(options.hop, afterSsh(said.text, { place, route, waited }));
    }
    return new OpensshConnection(route, options, holder, said, socket);
  } catch (error) {
    if (options.signal.aborted) throw cancellation(options);
    throw error;
  } finally {
    deadline.end();
    await asking?.close();
  }
}

/** The shell text that holds the connection: it tells of its directory, and of the host being reached. */
function holding(
  { destination, endpoint }: Route,
  options: ConnectOptions,
  asking: Askpass | undefined,
  shared: string | undefined,
  ready: StderrMarkers,
): string {
  const strict = endpoint?.config.value("stricthostkeychecking") ?? "ask";
  const lenient = ["no", "off", "false"].includes(strict);
  if (lenient) {
    const text = `StrictHostKeyChecking is off: an unknown host key of ${destination.name} is accepted unseen`;
    options.progress({ kind: "notice", text });
  }
  const settings: Record<string, string | number | undefined> = {
    BatchMode: asking ? "no" : "yes",
    ConnectTimeout: options.connectTimeoutSeconds,
    ControlMaster: shared === undefined ? "yes" : "no",
    ControlPersist: "no",
    ServerAliveInterval: options.keepaliveSeconds,
    ServerAliveCountMax: MISSES,
    // `no` would accept changed keys too.
    StrictHostKeyChecking: lenient ? "accept-new" : undefined,
    HostKeyAlias: destination.hop === undefined ? undefined : hostKeyAlias(destination, endpoint),
    ...PLAIN_SESSION,
  };
  const sets = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : ["-o", `${name}=${value}`],
  );
  const env = Object.entries(asking?.env ?? {}).map(([name, value]) => `${name}=${shellQuote(value)}`);
  const remote = loginCommand(`${ready.say("ready")}; exec cat >/dev/null`);
  const ssh = (socket: string) =>
    [
      ...env,
      "ssh",
      "-S",
      socket,
      ...[...sets, ...destinationWords(destination), remote].map(shellQuote),
    ].join(" ");
  if (shared !== undefined) return ssh(shellQuote(shared));
  return [
    "d=$(umask 077; mktemp -d /tmp/consfig-ssh.XXXXXX) || exit 1",
    "trap 'rm -rf \"$d\"' EXIT",
    "trap : HUP INT TERM",
    ready.say('"$d"'),
    ssh('"$d/socket"'),
  ].join("\n");
}

/** Whatever else the user's configuration wants of a session, ours only carries commands. */
const PLAIN_SESSION = {
  ClearAllForwardings: "yes",
  ForkAfterAuthentication: "no",
  ForwardAgent: "no",
  ForwardX11: "no",
  PermitLocalCommand: "no",
  RemoteCommand: "none",
  RequestTTY: "no",
  SessionType: "default",
  StdinNull: "no",
  Tunnel: "no",
};

/** With a `hop`, the name under which the host key is known; see `KnownHost`. */
const hostKeyAlias = (destination: Destination, endpoint: SshEndpoint | undefined): string | undefined =>
  endpoint && !endpoint.known.hasAuthority ? endpoint.known.alias : destination.name;

/** How a process ended, or is going to. */
class Ending {
  /** The last of what it said on stderr. */
  text = "";
  /** Settles when it is over, however. */
  readonly exit: Promise<void>;

  constructor(channel: Channel) {
    channel.stderr.on("data", (data: Buffer) => {
      this.text = (this.text + data.toString()).slice(-4000);
    });
    this.exit = channel.exit.then(
      () => {},
      (error: Error) => {
        this.text += error.message;
      },
    );
  }
}

class OpensshConnection implements Connection {
  readonly closed: Promise<Error | undefined>;
  readonly #sessions = new Sessions();
  /** Processes of `ssh`. */
  readonly #running = new Set<Channel>();
  /** The commands on the far side. */
  readonly #started = new Running();
  #closing = false;
  #lost: Error | undefined;

  constructor(
    private readonly route: Route,
    private readonly options: ConnectOptions,
    private readonly holder: Channel,
    ending: Ending,
    private readonly socket: string,
  ) {
    this.closed = ending.exit.then(() => {
      if (this.#closing) return undefined;
      const last = ending.text.trim().split(/\r?\n/).at(-1);
      this.#lost = this.#failure(`the link to ${this.#place} was lost${last && `: ${last}`}`);
      return this.#lost;
    });
  }

  get description(): string {
    const { parent } = this.route;
    return parent.local ? this.options.hop : `${parent.description}, ${this.options.hop}`;
  }

  get alive(): boolean {
    return !this.#closing && this.#lost === undefined && this.route.parent.alive;
  }

  exec(command: string): Promise<Channel> {
    const isRefusal = (error: unknown) => /Session open refused by peer/.test((error as Error).message);
    return this.#sessions.start(() => this.#start(command), isRefusal);
  }

  async #start(command: string): Promise<Channel> {
    this.#mustLive();
    const marks = new StderrMarkers();
    const channel = await this.#ssh(loginCommand(command, marks.tellingExit));
    this.#running.add(channel);
    let code: number | undefined;
    let killed: NodeJS.Signals | undefined;
    let ids = "";
    const output = outputHeld(channel.stdout);
    const started = Promise.withResolvers<boolean>();
    const coded = Promise.withResolvers<number>();
    const stderr = marks.filter(channel.stderr, (text) => {
      if (ids === "") ids = text;
      else coded.resolve((code = Number(text)));
      started.resolve(true);
    });
    const ended = channel.exit
      .catch(() => {})
      .then(() => {
        this.#running.delete(channel);
        started.resolve(false);
      });
    if (!(await started.promise)) {
      const said = String(stderr.read() ?? "").trim();
      await this.#settled();
      this.#mustLive();
      throw this.#failure(`the host does not start commands: ${said || "ssh said nothing"}`);
    }
    const stdout = output();
    void ended.then(() => this.#sessions.ended());
    const exit = (async () => {
      // This machine's ssh ends only when its output has been read, which is not ours to wait for.
      await Promise.race([coded.promise, ended]);
      await Promise.all([drained(stdout), drained(stderr)]);
      if (code !== undefined) return code;
      await this.#settled();
      this.#mustLive("it ended without an exit code: ");
      if (killed) return 128 + constants.signals[killed];
      throw this.#failure("it ended without an exit code: its shell was killed, or the session was closed");
    })();
    exit.catch(() => {});
    const kill = (signal: NodeJS.Signals = "SIGTERM") => {
      killed = signal;
      void drained(stdout);
      void drained(stderr);
      void this.#signal(ids, signal);
    };
    return this.#started.add({ stdin: channel.stdin, stdout, stderr, exit, kill });
  }

  /** An `ssh` through the holder's socket. Without it, it must fail: it shall not connect on its own. */
  #ssh(line: string): Promise<Channel> {
    const { parent, destination } = this.route;
    const options = ["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-o", "BatchMode=yes"];
    const words = ["ssh", "-F", "none", "-T", "-S", this.socket, ...options, "--", destination.name];
    return parent.exec(`exec ${shellWords([...words, line])}`);
  }

  async #signal(ids: string, signal: NodeJS.Signals): Promise<void> {
    try {
      const channel = await this.#ssh(loginCommand(StderrMarkers.kill(ids, signal)));
      channel.stdout.resume();
      channel.stderr.resume();
      await channel.exit;
    } catch {
      // The link is lost, and with it the process's input and output.
    }
  }

  async close(): Promise<void> {
    if (this.alive) await this.#started.end();
    if (!this.#closing && this.#lost === undefined) {
      this.#closing = true;
      for (const channel of this.#running) channel.kill("SIGTERM");
      this.holder.stdin.end();
      const impatience = setTimeout(() => this.holder.kill("SIGTERM"), 500);
      void this.closed.then(() => clearTimeout(impatience));
    }
    await this.closed;
  }

  /** A lost link shows at its commands a moment before it shows at the holder. */
  async #settled(): Promise<void> {
    await Promise.race([this.closed, new Promise((over) => setTimeout(over, 200))]);
  }

  #mustLive(what = ""): void {
    if (this.#lost)
      throw what ? this.#failure(what + this.#lost.message.replace(`${this.options.hop}: `, "")) : this.#lost;
    if (!this.alive) throw this.#failure(`${what}the connection was closed`);
  }

  #failure(message: string): ConnectionFailed {
    return new ConnectionFailed(this.options.hop, message);
  }

  get #place(): string {
    return placeOf(this.route);
  }
}

const placeOf = ({ endpoint, destination }: Route): string =>
  endpoint
    ? `${endpoint.config.address} port ${endpoint.config.port}`
    : (destination.hop ?? destination.name);
