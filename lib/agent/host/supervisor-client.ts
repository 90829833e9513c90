import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FailedChange } from "../../model/errors";
import { loginEnvironment } from "../../util/login-environment";
import {
  PROTOCOL,
  type SupervisorAnswer,
  type SupervisorRequest,
  supervisorAnswerShapes,
} from "../shared/messages";
import { LOCK_FD, NODE_FLAGS } from "../shared/process";
import { openWireOver, type Wire } from "../shared/wire";
import { type AgentDirectory, SUPERVISOR_SOCKET } from "./directory";
import { allProcesses, argumentsOf, isStopped } from "./processes";

/** Time limit for a supervisor to listen. */
const START_TIMEOUT_MS = 5000;
/** How often a supervisor that owes an answer is asked for a sign of life. */
const PING_MS = 1000;
/** A supervisor that is silent for this long is replaced: one that a signal has stopped, and one that is merely slow. */
const STOPPED_SILENCE_MS = 1500;
const SILENCE_MS = 20_000;

interface SupervisorEvents {
  onAnswer(answer: SupervisorAnswer): void;
  /** The supervisor exited. Unanswered requests must be sent again. */
  onLost(): void;
  /** No supervisor of ours can start yet, or one was replaced. */
  onNotice(text: string): void;
  /** True while an answer of the supervisor is expected. */
  isWaiting(): boolean;
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

  /** The version of our supervisor, by its boot file. */
  get boot(): string {
    return path.basename(this.#boot, ".js");
  }

  connected(): Promise<Wire<SupervisorRequest>> {
    this.#wire ??= this.#connect().catch((error) => {
      this.#wire = undefined;
      throw error;
    });
    return this.#wire;
  }

  async #connect(): Promise<Wire<SupervisorRequest>> {
    let deadline = Date.now() + START_TIMEOUT_MS;
    let starts = 0;
    for (let attempt = 0; Date.now() < deadline; attempt += 1) {
      const wire = await this.#tryConnect(() => {
        deadline = Number.POSITIVE_INFINITY;
      });
      if (wire) return wire;
      if (deadline === Number.POSITIVE_INFINITY) deadline = Date.now() + START_TIMEOUT_MS;
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

  /**
   * Undefined when no supervisor is listening, or one of another version did not let us use it; this then settles when
   * that one has exited. Calls `onHeld` when that takes until its deployment has finished.
   */
  #tryConnect(onHeld: () => void): Promise<Wire<SupervisorRequest> | undefined> {
    return new Promise((resolve) => {
      let ours = false;
      let heard = performance.now();
      const socket = connect(SUPERVISOR_SOCKET);
      const use = () => {
        ours = true;
        resolve(wire);
      };
      const wire: Wire<SupervisorRequest> = openWireOver<SupervisorAnswer, SupervisorRequest>(socket, {
        shapes: supervisorAnswerShapes,
        onMessage: (answer) => {
          heard = performance.now();
          if (answer.type === "pong") return;
          if (answer.type === "kept") return use();
          if (answer.type === "busy" && !ours) {
            onHeld();
            return this.#events.onNotice(answer.reason);
          }
          if (answer.type !== "welcome") return this.#events.onAnswer(answer);
          if (answer.protocol === PROTOCOL && answer.boot === this.boot) return use();
          wire.send({ type: "retire", protocol: PROTOCOL });
          // An earlier version closes the connection only when we do.
          if (answer.protocol === undefined) wire.end();
        },
        onEnd: () => {
          clearInterval(watch);
          resolve(undefined);
          if (!ours) return;
          this.#wire = undefined;
          this.#events.onLost();
        },
      });
      const watch = setInterval(() => {
        if (ours && !this.#events.isWaiting()) {
          heard = performance.now();
          return;
        }
        const silent = performance.now() - heard;
        const stuck = supervisorsOf(this.#directory).filter(
          (pid) => silent > (isStopped(pid) ? STOPPED_SILENCE_MS : SILENCE_MS),
        );
        if (stuck.length === 0) return wire.send({ type: "ping" });
        for (const pid of stuck) {
          this.#events.onNotice(
            `the agent's supervisor (pid ${pid}) did not answer for ${Math.round(silent / 1000)} s; replacing it`,
          );
          kill(pid);
        }
        wire.destroy();
      }, PING_MS);
      watch.unref();
    });
  }
}

/** The processes of supervisors of `directory`: usually one. */
const supervisorsOf = (directory: AgentDirectory): number[] =>
  allProcesses().flatMap(({ pid }) => {
    const words = argumentsOf(pid);
    const at = words.indexOf("supervisor");
    return at > 0 && words[at - 1]?.startsWith(directory.boot("").replace(/\.js$/, "")) ? [pid] : [];
  });

/** Deployments go on without it: the next supervisor takes over their workers. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has exited meanwhile.
  }
}

/**
 * Starts a detached supervisor that outlives us, with a clean environment. It holds a lock as long as it lives, and it
 * lives while a deployment holds the host (if the host has flock): so only one is there, whatever its version.
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
