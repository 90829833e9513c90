import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Duplex } from "node:stream";
import { ARTIFACTS_MOUNT, type ArtifactFiles } from "../../model/agent-artifacts";
import { cleanQuestion } from "../../model/clean-question";
import { Cancelled, FailedChange } from "../../model/errors";
import type { StepEvent } from "../../model/events";
import type { Entrance } from "../../model/hop";
import { cleanOutcome, HostEvents, ProtocolViolation } from "../../model/host-events";
import type { Job, JobOutcome, JobSignal } from "../../model/job";
import type { Question } from "../../model/questions";
import { loginEnvironment } from "../../util/login-environment";
import { type WorkerAnswer, type WorkerRequest, workerAnswerShapes } from "../shared/messages";
import { CHILD_FD, NODE_FLAGS } from "../shared/process";
import { programIn } from "../shared/tree";
import { encode, HOST_WIRE_LIMITS, openWireOver, type Wire } from "../shared/wire";
import { killMarked } from "./marked";
import type { Answering } from "./reconnect";

/** Time limit for a child to load. */
const START_TIMEOUT_MS = 20_000;
/** Time between the end of the connection and SIGKILL. */
const KILL_GRACE_MS = 2000;

/**
 * Starts a pristine worker in a narrower context: a new process that has the sources and nothing else. It is our child
 * process, so it never has more privileges than we have, and ends with us. Throws `FailedChange` when Node cannot run
 * there, `Cancelled` when `signal` is aborted before the worker is ready.
 */
export async function startChild(
  artifacts: ArtifactFiles,
  entrance: Entrance,
  signal: AbortSignal,
): Promise<ChildWorker> {
  if (signal.aborted) throw signal.reason;
  const marker = randomBytes(8).toString("hex");
  const child =
    process.getuid?.() === 0
      ? spawnIsolated(artifacts, entrance, marker)
      : spawnPlain(artifacts, entrance, marker);
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4000);
  });
  const worker = new ChildWorker(child, marker);
  const kill = () => child.kill("SIGKILL");
  const timeout = setTimeout(kill, START_TIMEOUT_MS);
  signal.addEventListener("abort", kill, { once: true });
  const reason = await worker.ready.finally(() => {
    clearTimeout(timeout);
    signal.removeEventListener("abort", kill);
  });
  if (signal.aborted) {
    worker.end();
    throw signal.reason instanceof Cancelled ? signal.reason : new Cancelled(String(signal.reason));
  }
  if (reason !== undefined) throw new FailedChange(stderr.trim() || reason);
  return worker;
}

/** Runs the worker in its own mount namespace with the artifacts, and in its own PID namespace if requested. */
function spawnIsolated(
  artifacts: ArtifactFiles,
  { script, ownProcesses }: Entrance,
  marker: string,
): ChildProcess {
  const flags = [
    "--mount",
    "--propagation",
    "private",
    ...(ownProcesses ? ["--pid", "--fork", "--kill-child"] : []),
  ];
  const tree = `${ARTIFACTS_MOUNT}/trees/${path.basename(artifacts.tree)}`;
  const mounted = { node: `${ARTIFACTS_MOUNT}/node`, boot: `${ARTIFACTS_MOUNT}/boot.js`, tree };
  return spawn(
    "unshare",
    [
      ...flags,
      "--",
      "/bin/sh",
      "-c",
      `${MOUNT_ARTIFACTS}\n${script}`,
      "sh",
      ...workerCommand(mounted, marker),
    ],
    {
      ...options,
      env: {
        ...loginEnvironment(),
        ARTIFACT_NODE: artifacts.node,
        ARTIFACT_BOOT: artifacts.boot,
        ARTIFACT_TREE: artifacts.tree,
      },
    },
  );
}

/** Without root the worker stays in our own context and uses our artifacts directly. */
function spawnPlain(artifacts: ArtifactFiles, { script }: Entrance, marker: string): ChildProcess {
  return spawn("/bin/sh", ["-c", script, "sh", ...workerCommand(artifacts, marker)], {
    ...options,
    env: loginEnvironment(),
  });
}

const workerCommand = ({ node, boot, tree }: ArtifactFiles, marker: string): string[] => [
  node,
  ...NODE_FLAGS,
  programIn(tree, "childWorker"),
  boot,
  marker,
];

const options = { cwd: "/", stdio: ["ignore", "ignore", "pipe", "pipe"] as ("ignore" | "pipe")[] };

/**
 * Bind-mounts the artifacts into a tmpfs that only this namespace sees, readable by every user. A nested worker inherits
 * these mounts with its copy of the namespace.
 */
const MOUNT_ARTIFACTS = `set -e
umask 022
k=${ARTIFACTS_MOUNT}
if [ "$ARTIFACT_NODE" != $k/node ]; then
  mount -t tmpfs -o mode=0755,nosuid,nodev consfigurator $k
  t=$k/trees/\${ARTIFACT_TREE##*/}
  : >$k/node; : >$k/boot.js; mkdir -p "$t"
  bind() { mount --bind "$1" "$2"; mount -o remount,bind,ro,nosuid,nodev "$2"; }
  bind "$ARTIFACT_NODE" $k/node; bind "$ARTIFACT_BOOT" $k/boot.js; bind "$ARTIFACT_TREE" "$t"
  mount -o remount,ro $k
fi
unset ARTIFACT_NODE ARTIFACT_BOOT ARTIFACT_TREE t`;

/** The parent worker's handle on a child worker. */
export class ChildWorker {
  /** Settles when the worker accepts a job, or with the reason why it never will. */
  readonly ready: Promise<string | undefined>;
  readonly #process: ChildProcess;
  readonly #exit: Promise<void>;
  readonly #wire: Wire<WorkerRequest>;
  #finished = false;
  #onEvent: (event: StepEvent) => void = () => {};
  #answers: Answering | undefined;
  #resolve: (outcome: JobOutcome) => void = () => {};
  #reject: (error: Error) => void = () => {};

  /** `marker`: set in the environment of every process that the worker starts. */
  constructor(child: ChildProcess, marker: string) {
    this.#process = child;
    let settleReady: (reason: string | undefined) => void = () => {};
    this.ready = new Promise((resolve) => {
      settleReady = resolve;
    });
    this.#wire = openWireOver<WorkerAnswer, WorkerRequest>(child.stdio[CHILD_FD] as Duplex, {
      shapes: workerAnswerShapes,
      limits: HOST_WIRE_LIMITS,
      onMessage: (answer) => {
        if (answer.type === "ready") settleReady(undefined);
        else if (answer.type === "events") for (const event of answer.events) this.#onEvent(event);
        else if (answer.type === "question") this.#answer(answer.number, cleanQuestion(answer.question));
        else if (answer.type === "outcome") {
          const outcome = cleanOutcome(answer.outcome);
          this.#finished = true;
          this.#resolve(outcome);
        }
      },
      onEnd: (error) => void this.#lost(marker, error),
    });
    child.once("error", (error) => settleReady(error.message));
    this.#exit = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        settleReady(`the nested worker exited at startup (${signal ?? `exit code ${code}`})`);
        resolve();
      });
    });
  }

  /** The worker may have been killed during a step: also kills the processes that it started. */
  async #lost(marker: string, error: Error | undefined): Promise<void> {
    if (this.#finished) return;
    this.#process.kill("SIGKILL");
    await this.#exit;
    killMarked(marker);
    this.#reject(
      new FailedChange(
        error instanceof ProtocolViolation
          ? `the nested worker was killed, because it sent ${error.message}`
          : "the nested worker exited without a result; was it killed?",
      ),
    );
  }

  #answer(number: number, question: Question): void {
    void this.#answers?.to(number, question).then((reply) => {
      if (!this.#finished) this.#wire.send({ type: "reply", question: number, reply });
    });
  }

  run(job: Job, onEvent: (event: StepEvent) => void, answers: Answering): Promise<JobOutcome> {
    this.#answers = answers;
    const admitted = new HostEvents(job.host.name);
    return new Promise<JobOutcome>((resolve, reject) => {
      this.#onEvent = (event) => {
        for (const each of admitted.admit(event)) onEvent(each);
      };
      this.#resolve = resolve;
      this.#reject = reject;
      this.#wire.send({ type: "job", job: encode(job) });
    }).finally(() => this.end());
  }

  signal(signal: JobSignal): void {
    this.#wire.send({ type: "signal", signal });
  }

  end(): void {
    this.#wire.end();
    const timeout = setTimeout(() => this.#process.kill("SIGKILL"), KILL_GRACE_MS);
    timeout.unref();
    this.#process.once("exit", () => clearTimeout(timeout));
  }
}
