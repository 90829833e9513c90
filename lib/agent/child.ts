import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import type { Entrance } from "../connection/hop";
import { FailedChange } from "../errors";
import type { StepEvent } from "../events";
import { loginEnvironment } from "./_environment";
import { NODE_FLAGS } from "./_worker-process";
import type { KitFiles } from "./kit";
import {
  type Job,
  type JobOutcome,
  type JobSignal,
  type WorkerAnswer,
  type WorkerRequest,
  workerAnswerShapes,
} from "./messages";

import { converseOver, encode, type Wire } from "./wire";

/** Where the kit stands in every context that is entered. A tmpfs of the context's own, gone with it. */
export const KIT_PLACE = "/run/consfigurator";
/** The descriptor on which a child speaks with the worker that asked for it. */
export const CHILD_FD = 3;
/** How long a child may take to load. */
const START_MS = 20_000;

/**
 * A pristine worker in a narrower context, asked for by a worker: a new process that has the sources and nothing else.
 * It is our child, so that it can never have more than we have, and ends with us. Throws `FailedChange` when Node
 * cannot run there.
 */
export async function startChild(kit: KitFiles, entrance: Entrance): Promise<ChildWorker> {
  const child = process.getuid?.() === 0 ? spawnIsolated(kit, entrance) : spawnPlain(kit, entrance);
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-4000);
  });
  const worker = new ChildWorker(child);
  const patience = setTimeout(() => child.kill("SIGKILL"), START_MS);
  const reason = await worker.ready.finally(() => clearTimeout(patience));
  if (reason !== undefined) throw new FailedChange(complaint.trim() || reason);
  return worker;
}

/** In a mount namespace of its own, in which the kit has its place; the processes of others hidden where that is asked. */
function spawnIsolated(kit: KitFiles, { script, ownProcesses }: Entrance): ChildProcess {
  const flags = [
    "--mount",
    "--propagation",
    "private",
    ...(ownProcesses ? ["--pid", "--fork", "--kill-child"] : []),
  ];
  return spawn(
    "unshare",
    [...flags, "--", "/bin/sh", "-c", `${PLACE_KIT}\n${script}`, "sh", ...KIT_COMMAND],
    options(kit),
  );
}

/** Without root there is no other context than our own: the kit is used where it is. */
function spawnPlain(kit: KitFiles, { script }: Entrance): ChildProcess {
  return spawn(
    "/bin/sh",
    ["-c", script, "sh", kit.node, ...NODE_FLAGS, `${kit.tree}/${WORKER}`],
    options(kit),
  );
}

const WORKER = "node_modules/consfigurator/lib/agent/child-worker.js";
const KIT_COMMAND = [`${KIT_PLACE}/node`, ...NODE_FLAGS, `${KIT_PLACE}/tree/${WORKER}`];

const options = ({ node, boot, tree }: KitFiles) => ({
  cwd: "/",
  env: { ...loginEnvironment(), KIT_NODE: node, KIT_BOOT: boot, KIT_TREE: tree },
  stdio: ["ignore", "ignore", "pipe", "pipe"] as ("ignore" | "pipe")[],
});

/**
 * The kit is bound into a tmpfs that only this namespace sees, readable by whoever we become. Where we are in such a
 * namespace already, the copy of it that we got has the kit.
 */
const PLACE_KIT = `set -e
umask 022
k=${KIT_PLACE}
if [ "$KIT_NODE" != $k/node ]; then
  [ -d $k ] || mkdir $k
  mount -t tmpfs -o mode=0755,nosuid,nodev consfigurator $k
  : >$k/node; : >$k/boot.js; mkdir $k/tree
  mount --bind "$KIT_NODE" $k/node; mount --bind "$KIT_BOOT" $k/boot.js; mount --bind "$KIT_TREE" $k/tree
  mount -o remount,ro $k
fi
unset KIT_NODE KIT_BOOT KIT_TREE k`;

/** The worker's end of a conversation with a child. */
export class ChildWorker {
  /** Settles when it takes work, or with the reason why it never will. */
  readonly ready: Promise<string | undefined>;
  readonly #process: ChildProcess;
  readonly #wire: Wire<WorkerRequest>;
  #onEvent: (event: StepEvent) => void = () => {};
  #settle: (outcome: JobOutcome) => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(child: ChildProcess) {
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
        else if (answer.type === "outcome") this.#settle(answer.outcome);
      },
      onEnd: () => this.#fail(new FailedChange("the worker inside ended without a word; was it killed?")),
    });
    child.once("error", (error) => begun(error.message));
    child.once("exit", (code, signal) => begun(`it ended with ${signal ?? `exit code ${code}`}`));
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
