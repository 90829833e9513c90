import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FailedChange } from "../../model/errors";
import { loginEnvironment } from "../../util/login-environment";
import { type SupervisorAnswer, type SupervisorRequest, supervisorAnswerShapes } from "../shared/messages";
import { LOCK_FD, NODE_FLAGS } from "../shared/process";
import { openWireOver, type Wire } from "../shared/wire";
import { type AgentDirectory, SUPERVISOR_SOCKET } from "./directory";

/** Time limit for a supervisor to listen. */
const START_TIMEOUT_MS = 5000;

interface SupervisorEvents {
  onAnswer(answer: SupervisorAnswer): void;
  /** The supervisor exited. Unanswered requests must be sent again. */
  onLost(): void;
}

/** A relay's connection to a supervisor of its own version, which is started if none is running. */
export class SupervisorClient {
  readonly #directory: AgentDirectory;
  readonly #boot: string;
  readonly #events: SupervisorEvents;
  #wire: Promise<Wire<SupervisorRequest>> | undefined;

  /** `boot`: the supervisor's boot file; its name identifies the version. */
  constructor(directory: AgentDirectory, boot: string, events: SupervisorEvents) {
    this.#directory = directory;
    this.#boot = boot;
    this.#events = events;
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
    const deadline = Date.now() + START_TIMEOUT_MS;
    let starts = 0;
    for (let attempt = 0; Date.now() < deadline; attempt += 1) {
      const wire = await this.#tryConnect();
      if (wire) return wire;
      // Start another one from time to time: it exits when the lock is taken, and the lock's holder may exit too.
      if (attempt >= starts * 40) {
        startSupervisor(this.#directory, this.#boot);
        starts += 1;
      }
      await sleep(5);
    }
    throw new FailedChange(
      `the agent's supervisor did not start within ${START_TIMEOUT_MS / 1000} s; see ${this.#directory.log} on the host`,
    );
  }

  /** Undefined when no supervisor is listening, or one of another version, which is then asked to retire. */
  #tryConnect(): Promise<Wire<SupervisorRequest> | undefined> {
    return new Promise((resolve) => {
      let ours = false;
      const wire: Wire<SupervisorRequest> = openWireOver<SupervisorAnswer, SupervisorRequest>(
        connect(SUPERVISOR_SOCKET),
        {
          shapes: supervisorAnswerShapes,
          onMessage: (answer) => {
            if (answer.type !== "welcome") return this.#events.onAnswer(answer);
            ours = this.#boot.endsWith(`/${answer.boot}.js`);
            if (ours) return resolve(wire);
            wire.send({ type: "retire" });
            wire.end();
            resolve(undefined);
          },
          onEnd: () => {
            resolve(undefined);
            if (!ours) return;
            this.#wire = undefined;
            this.#events.onLost();
          },
        },
      );
    });
  }
}

/**
 * Starts a detached supervisor that outlives us, with a clean environment. It holds a lock while it accepts deployments
 * (if the host has flock), so that of two started at once only one remains.
 */
function startSupervisor(directory: AgentDirectory, boot: string): void {
  const log = openSync(directory.log, "a", 0o600);
  const script = `exec ${LOCK_FD}>lock; if command -v flock >/dev/null; then flock -n ${LOCK_FD} || exit 0; fi; exec "$@"`;
  const idle = process.env["CONSFIGURATOR_AGENT_IDLE_MS"];
  const args = [process.execPath, ...NODE_FLAGS, boot, "supervisor", ...(idle ? [idle] : [])];
  spawn("/bin/sh", ["-c", script, "sh", ...args], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: directory.run,
    env: loginEnvironment(),
  }).unref();
  closeSync(log);
}
