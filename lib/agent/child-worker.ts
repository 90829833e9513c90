import { existsSync } from "node:fs";
import { Socket } from "node:net";
import { homedir } from "node:os";
import path from "node:path";
import { load, Work } from "./_work";
import { CHILD_FD } from "./child";
import { type Job, type WorkerAnswer, type WorkerRequest, workerRequestShapes } from "./messages";
import { converseOver, decode, type Wire } from "./wire";
import { workerKit } from "./worker-kit";

/**
 * A pristine worker in a narrower context, on a descriptor that only the worker that asked for it has the other end of.
 * It does one job, keeps no journal (that is its parent's), and ends when its parent does.
 */
function serve(): void {
  const [, self = ""] = process.argv;
  const tree = path.resolve(path.dirname(self), "../../../..");
  process.umask(0o022);
  load(tree);
  process.chdir(existsSync(homedir()) ? homedir() : "/");
  const work = new Work(
    workerKit({ node: process.execPath, boot: path.join(path.dirname(tree), "boot.js"), tree }),
  );
  const socket = new Socket({ fd: CHILD_FD, readable: true, writable: true });
  const parent: Wire<WorkerAnswer> = converseOver<WorkerRequest, WorkerAnswer>(socket, {
    shapes: workerRequestShapes,
    onMessage: (request) => {
      if (request.type === "job") void begin(request.job);
      if (request.type === "signal") work.signal(request.signal);
    },
    onEnd: () => process.exit(0),
  });
  let told = 0;
  const begin = async (packed: Buffer) => {
    const job = decode(packed) as Job;
    const { deployment } = job;
    const outcome = await work.do(job, (event) => {
      parent.send({ type: "events", deployment, first: told, events: [event] });
      told += 1;
    });
    parent.send({ type: "outcome", deployment, outcome });
    parent.end();
  };
  parent.send({ type: "ready" });
}

serve();
