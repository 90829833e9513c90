import { existsSync } from "node:fs";
import { Socket } from "node:net";
import { homedir } from "node:os";
import { CHILD_VARIABLE } from "../agent/client/marked";
import { type WorkerAnswer, type WorkerRequest, workerRequestShapes } from "../agent/shared/messages";
import { CHILD_FD } from "../agent/shared/process";
import { ownTree } from "../agent/shared/tree";
import { converseOver, decode, type Wire } from "../agent/shared/wire";
import type { Job } from "../model/job";
import { workerArtifacts } from "./artifacts";
import { JobRun, loadTree } from "./job";

/** How long a cancelled step may take to end, and an outcome to be taken. */
const CANCEL_GRACE_MS = 5000;

/**
 * A pristine worker in a narrower context, on a descriptor that only the worker that asked for it has the other end of.
 * It does one job, keeps no journal (that is its parent's), and ends when its parent does: then the step that runs is
 * cancelled, as nobody is left to hear of it.
 */
function serve(): void {
  const [, , boot = "", mark = ""] = process.argv;
  const tree = ownTree();
  process.umask(0o022);
  loadTree(tree);
  process.chdir(existsSync(homedir()) ? homedir() : "/");
  process.env[CHILD_VARIABLE] = mark;
  const run = new JobRun(workerArtifacts({ node: process.execPath, boot, tree }));
  const socket = new Socket({ fd: CHILD_FD, readable: true, writable: true });
  const parent: Wire<WorkerAnswer> = converseOver<WorkerRequest, WorkerAnswer>(socket, {
    shapes: workerRequestShapes,
    onMessage: (request) => {
      if (request.type === "job") void begin(request.job);
      if (request.type === "signal") run.signal(request.signal);
    },
    onEnd: () => {
      if (!working) process.exit(0);
      run.signal("cancel");
      setTimeout(() => process.exit(1), CANCEL_GRACE_MS);
    },
  });
  let told = 0;
  let working = false;
  const begin = async (packed: Buffer) => {
    working = true;
    const job = decode(packed) as Job;
    const { deployment } = job;
    const outcome = await run.run(job, (event) => {
      parent.send({ type: "events", deployment, first: told, events: [event] });
      told += 1;
    });
    working = false;
    parent.send({ type: "outcome", deployment, outcome });
    parent.end();
    // When the parent is gone already, it will not end us.
    setTimeout(() => process.exit(0), CANCEL_GRACE_MS).unref();
  };
  parent.send({ type: "ready" });
}

serve();
