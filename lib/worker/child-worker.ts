import { existsSync } from "node:fs";
import { Socket } from "node:net";
import { homedir } from "node:os";
import { CHILD_VARIABLE } from "../agent/client/marked";
import { type WorkerAnswer, type WorkerRequest, workerRequestShapes } from "../agent/shared/messages";
import { CHILD_FD } from "../agent/shared/process";
import { ownTree } from "../agent/shared/tree";
import { decode, openWireOver, type Wire } from "../agent/shared/wire";
import { OpenQuestions } from "../engine/questions";
import type { StepEvent } from "../model/events";
import type { Job } from "../model/job";
import { workerArtifacts } from "./artifacts";
import { JobRun, loadTree } from "./job";

/** Time limit for a cancelled step to end, and for the parent to receive the outcome. */
const EXIT_GRACE_MS = 5000;

/**
 * A pristine worker in a narrower context, connected only to its parent worker. It runs one job, writes no journal (its
 * parent does), and exits with its parent: the running step is then cancelled.
 */
function serve(): void {
  const [, , boot = "", marker = ""] = process.argv;
  const tree = ownTree();
  process.umask(0o022);
  loadTree(tree);
  process.chdir(existsSync(homedir()) ? homedir() : "/");
  process.env[CHILD_VARIABLE] = marker;
  const run = new JobRun(workerArtifacts({ node: process.execPath, boot, tree }));
  const socket = new Socket({ fd: CHILD_FD, readable: true, writable: true });
  const parent: Wire<WorkerAnswer> = openWireOver<WorkerRequest, WorkerAnswer>(socket, {
    shapes: workerRequestShapes,
    onMessage: (request) => {
      if (request.type === "job") void start(request.job);
      if (request.type === "signal") run.signal(request.signal);
      if (request.type === "reply") questions.reply(request.question, request.reply);
    },
    onEnd: () => {
      if (!running) process.exit(0);
      run.signal("cancel");
      setTimeout(() => process.exit(1), EXIT_GRACE_MS);
    },
  });
  let deployment = "";
  const questions = new OpenQuestions((number, question) =>
    parent.send({ type: "question", deployment, number, question }),
  );
  let sent = 0;
  let running = false;
  const start = async (packed: Buffer) => {
    running = true;
    const job = decode(packed) as Job;
    deployment = job.deployment;
    const report = (event: StepEvent) => {
      parent.send({ type: "events", deployment, first: sent, events: [event] });
      sent += 1;
    };
    const outcome = await run.run(job, report, questions.put);
    running = false;
    parent.send({ type: "outcome", deployment, outcome });
    parent.end();
    // The parent ends us, unless it has already exited.
    setTimeout(() => process.exit(0), EXIT_GRACE_MS).unref();
  };
  parent.send({ type: "ready" });
}

serve();
