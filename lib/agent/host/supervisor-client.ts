import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FailedChange } from "../../model/errors";
import { loginEnvironment } from "../../util/login-environment";
import { type SupervisorAnswer, type SupervisorRequest, supervisorAnswerShapes } from "../shared/messages";
import { LOCK_FD, NODE_FLAGS } from "../shared/process";
import { converseOver, type Wire } from "../shared/wire";
import { type AgentDirectory, SUPERVISOR_SOCKET } from "./directory";

/** How long a supervisor may take to listen. */
const START_MS = 5000;

interface Hearing {
  onAnswer(answer: SupervisorAnswer): void;
  /** The supervisor ended. What was asked and not answered must be asked again. */
  onLost(): void;
}

/** A relay's conversation with a supervisor of its own version, which is started when there is none. */
export class SupervisorClient {
  readonly #place: AgentDirectory;
  readonly #boot: string;
  readonly #hearing: Hearing;
  #wire: Promise<Wire<SupervisorRequest>> | undefined;

  /** `boot`: the file that a supervisor is started from; its name is the version. */
  constructor(place: AgentDirectory, boot: string, hearing: Hearing) {
    this.#place = place;
    this.#boot = boot;
    this.#hearing = hearing;
  }

  async send(request: SupervisorRequest): Promise<void> {
    (await this.connected()).send(request);
  }

  connected(): Promise<Wire<SupervisorRequest>> {
    this.#wire ??= this.#connect().catch((error) => {
      this.#wire = undefined;
      throw error;
    });
    return this.#wire;
  }

  async #connect(): Promise<Wire<SupervisorRequest>> {
    const deadline = Date.now() + START_MS;
    let starts = 0;
    for (let attempt = 0; Date.now() < deadline; attempt += 1) {
      const wire = await this.#greet();
      if (wire) return wire;
      // Again now and then: one that finds the lock held ends, and its holder may be about to end too.
      if (attempt >= starts * 40) {
        startSupervisor(this.#place, this.#boot);
        starts += 1;
      }
      await sleep(5);
    }
    throw new FailedChange(
      `the agent's supervisor did not start within ${START_MS / 1000} s; ${this.#place.log} on the host says why`,
    );
  }

  /** Undefined when nobody listens, or one of another version, which is then asked to go. */
  #greet(): Promise<Wire<SupervisorRequest> | undefined> {
    return new Promise((settled) => {
      let ours = false;
      const wire: Wire<SupervisorRequest> = converseOver<SupervisorAnswer, SupervisorRequest>(
        connect(SUPERVISOR_SOCKET),
        {
          shapes: supervisorAnswerShapes,
          onMessage: (answer) => {
            if (answer.type !== "welcome") return this.#hearing.onAnswer(answer);
            ours = this.#boot.endsWith(`/${answer.boot}.js`);
            if (ours) return settled(wire);
            wire.send({ type: "retire" });
            wire.end();
            settled(undefined);
          },
          onEnd: () => {
            settled(undefined);
            if (!ours) return;
            this.#wire = undefined;
            this.#hearing.onLost();
          },
        },
      );
    });
  }
}

/**
 * Starts a supervisor that outlives us, in a session of its own, with nothing of ours in its environment. It holds a
 * lock for as long as it takes work (where the host has flock), so that of two that start at once one ends.
 */
function startSupervisor(place: AgentDirectory, boot: string): void {
  const log = openSync(place.log, "a", 0o600);
  const script = `exec ${LOCK_FD}>lock; if command -v flock >/dev/null; then flock -n ${LOCK_FD} || exit 0; fi; exec "$@"`;
  const idle = process.env["CONSFIGURATOR_AGENT_IDLE_MS"];
  const args = [process.execPath, ...NODE_FLAGS, boot, "supervisor", ...(idle ? [idle] : [])];
  spawn("/bin/sh", ["-c", script, "sh", ...args], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: place.run,
    env: loginEnvironment(),
  }).unref();
  closeSync(log);
}
