import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Duplex } from "node:stream";
import { ARTIFACTS_MOUNT, type ArtifactFiles } from "../../model/agent-artifacts";
import { Cancelled, FailedChange } from "../../model/errors";
import type { StepEvent } from "../../model/events";
import type { Entrance } from "../../model/hop";
import type { Job, JobOutcome, JobSignal } from "../../model/job";
import { loginEnvironment } from "../../util/login-environment";
import { type WorkerAnswer, type WorkerRequest, workerAnswerShapes } from "../shared/messages";
import { CHILD_FD, NODE_FLAGS } from "../shared/process";
import { programIn } from "../shared/tree";
import { converseOver, encode, type Wire } from "../shared/wire";
import { endMarked } from "./marked";

/** How long a child may take to load. */
const START_MS = 20_000;

/**
 * A pristine worker in a narrower context, asked for by a worker: a new process that has the sources and nothing else.
 * It is our child, so that it can never have more than we have, and ends with us. Throws `FailedChange` when Node
 * cannot run there, `Cancelled` when `signal` is aborted before it takes work.
 */
export async function startChild(
  kit: ArtifactFiles,
  entrance: Entrance,
  signal: AbortSignal,
): Promise<ChildWorker> {
  if (signal.aborted) throw signal.reason;
  const mark = randomBytes(8).toString("hex");
  const child =
    process.getuid?.() === 0 ? spawnIsolated(kit, entrance, mark) : spawnPlain(kit, entrance, mark);
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-4000);
  });
  const worker = new ChildWorker(child, mark);
  const giveUp = () => child.kill("SIGKILL");
  const patience = setTimeout(giveUp, START_MS);
  signal.addEventListener("abort", giveUp, { once: true });
  const reason = await worker.ready.finally(() => {
    clearTimeout(patience);
    signal.removeEventListener("abort", giveUp);
  });
  if (signal.aborted) {
    worker.end();
    throw signal.reason instanceof Cancelled ? signal.reason : new Cancelled(String(signal.reason));
  }
  if (reason !== undefined) throw new FailedChange(complaint.trim() || reason);
  return worker;
}

/** In a mount namespace of its own, in which the kit has its place; the processes of others hidden where that is asked. */
function spawnIsolated(kit: ArtifactFiles, { script, ownProcesses }: Entrance, mark: string): ChildProcess {
  const flags = [
    "--mount",
    "--propagation",
    "private",
    ...(ownProcesses ? ["--pid", "--fork", "--kill-child"] : []),
  ];
  const tree = `${ARTIFACTS_MOUNT}/trees/${path.basename(kit.tree)}`;
  const placed = { node: `${ARTIFACTS_MOUNT}/node`, boot: `${ARTIFACTS_MOUNT}/boot.js`, tree };
  return spawn(
    "unshare",
    [...flags, "--", "/bin/sh", "-c", `${PLACE_KIT}\n${script}`, "sh", ...workerCommand(placed, mark)],
    {
      ...options,
      env: { ...loginEnvironment(), KIT_NODE: kit.node, KIT_BOOT: kit.boot, KIT_TREE: kit.tree },
    },
  );
}

/** Without root there is no other context than our own: the kit is used where it is. */
function spawnPlain(kit: ArtifactFiles, { script }: Entrance, mark: string): ChildProcess {
  return spawn("/bin/sh", ["-c", script, "sh", ...workerCommand(kit, mark)], {
    ...options,
    env: loginEnvironment(),
  });
}

const workerCommand = ({ node, boot, tree }: ArtifactFiles, mark: string): string[] => [
  node,
  ...NODE_FLAGS,
  programIn(tree, "childWorker"),
  boot,
  mark,
];

const options = { cwd: "/", stdio: ["ignore", "ignore", "pipe", "pipe"] as ("ignore" | "pipe")[] };

/**
 * The kit is bound into a tmpfs that only this namespace sees, readable by whoever we become. Where we are in such a
 * namespace already, the copy of it that we got has the kit.
 */
const PLACE_KIT = `set -e
umask 022
k=${ARTIFACTS_MOUNT}
if [ "$KIT_NODE" != $k/node ]; then
  mount -t tmpfs -o mode=0755,nosuid,nodev consfigurator $k
  t=$k/trees/\${KIT_TREE##*/}
  : >$k/node; : >$k/boot.js; mkdir -p "$t"
  bind() { mount --bind "$1" "$2"; mount -o remount,bind,ro,nosuid,nodev "$2"; }
  bind "$KIT_NODE" $k/node; bind "$KIT_BOOT" $k/boot.js; bind "$KIT_TREE" "$t"
  mount -o remount,ro $k
fi
unset KIT_NODE KIT_BOOT KIT_TREE t`;

/** The worker's end of a conversation with a child. */
export class ChildWorker {
  /** Settles when it takes work, or with the reason why it never will. */
  readonly ready: Promise<string | undefined>;
  readonly #process: ChildProcess;
  readonly #exit: Promise<void>;
  readonly #wire: Wire<WorkerRequest>;
  #over = false;
  #onEvent: (event: StepEvent) => void = () => {};
  #settle: (outcome: JobOutcome) => void = () => {};
  #fail: (error: Error) => void = () => {};

  /** `mark`: in the environment of whatever it starts. */
  constructor(child: ChildProcess, mark: string) {
    this.#process = child;
    let begun: (reason: string | undefined) => void = () => {};
    this.ready = new Promise((settled) => {
      begun = settled;
    });
    this.#wire = converseOver<WorkerAnswer, WorkerRequest>(child.stdio[CHILD_FD] as Duplex, {
      shapes: workerAnswerShapes,
      onMessage: (answer) => {
        if (answer.type === "ready") begun(undefined);
        else if (answer.type === "events") for (const event of answer.events) this.#onEvent(event);
        else if (answer.type === "outcome") {
          this.#over = true;
          this.#settle(answer.outcome);
        }
      },
      onEnd: () => void this.#lost(mark),
    });
    child.once("error", (error) => begun(error.message));
    this.#exit = new Promise((ended) => {
      child.once("exit", (code, signal) => {
        begun(`it ended with ${signal ?? `exit code ${code}`}`);
        ended();
      });
    });
  }

  /** Killed in the middle of a step, perhaps: what it had started would go on without anybody. */
  async #lost(mark: string): Promise<void> {
    if (this.#over) return;
    this.#process.kill("SIGKILL");
    await this.#exit;
    endMarked(mark);
    this.#fail(new FailedChange("the worker inside ended without a word; was it killed?"));
  }

  run(job: Job, onEvent: (event: StepEvent) => void): Promise<JobOutcome> {
    return new Promise<JobOutcome>((settle, fail) => {
      this.#onEvent = onEvent;
      this.#settle = settle;
      this.#fail = fail;
      this.#wire.send({ type: "job", job: encode(job) });
    }).finally(() => this.end());
  }

  signal(signal: JobSignal): void {
    this.#wire.send({ type: "signal", signal });
  }

  end(): void {
    this.#wire.end();
    const patience = setTimeout(() => this.#process.kill("SIGKILL"), 2000);
    patience.unref();
    this.#process.once("exit", () => clearTimeout(patience));
  }
}
