import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { agent } from "../agent/client/hop";
import { localConnection } from "../connection/local";
import { applyBehind } from "../engine/hops";
import { Cancellation } from "../model/cancellation";
import { failureOf } from "../model/errors";
import { byImage } from "../model/job";
import type { Nested } from "../model/property";
import { type Report, Reporter } from "../model/report";
import { workerArtifacts } from "../worker/artifacts";
import { loadTree } from "../worker/job";
import { KeptData } from "./_kept-data";
import { BOOT, DATA, JOB } from "./places";

/**
 * Reapplies the image in `directory` through the agent of this host: so it waits for a running deployment, and the agent
 * keeps its journal. The result is printed and sent to the system journal. Returns the exit code.
 */
export async function reapply(directory: string): Promise<number> {
  process.env["HOME"] ??= homedir();
  loadTree(directory);
  const job = JSON.parse(readFileSync(path.join(directory, JOB), "utf8")) as Pick<
    Nested,
    "host" | "application"
  >;
  const reporter = new Reporter();
  const started = performance.now();
  const deployment = randomBytes(6).toString("hex");
  const report = await applied(job, directory, deployment, reporter).then(
    ({ change, failed, failure }) =>
      reporter.finish(
        job.host.name,
        deployment,
        failed || failure ? "failed" : change,
        elapsed(started),
        failure,
      ),
    (error: unknown) =>
      reporter.finish(job.host.name, deployment, "failed", elapsed(started), failureOf(error)),
  );
  print(report);
  return report.ok ? 0 : 1;
}

const elapsed = (started: number): number => Math.round(performance.now() - started);

function applied(
  { host, application }: Pick<Nested, "host" | "application">,
  directory: string,
  deployment: string,
  reporter: Reporter,
) {
  const context = {
    deployment,
    by: byImage(path.basename(directory).slice(0, 8)),
    verbose: false,
    artifacts: workerArtifacts({ node: process.execPath, boot: path.join(directory, BOOT), tree: directory }),
    ask: undefined,
    data: new KeptData(path.join(path.dirname(directory), DATA)).lookup,
    cancellation: new Cancellation(),
    plan: undefined,
    bound: undefined,
    held: [],
  };
  const origin = { connection: localConnection(), ownProcess: false };
  return applyBehind({ hops: [agent()], host, application }, origin, context, (event) => reporter.add(event));
}

/** Prints what changed, what failed, and why. */
function print({ host, status, steps, changed, failed, failure, ms, ok }: Report): void {
  const details = [...changed, ...failed].map(({ status: how, desc, failure: why }) =>
    [`${how}: ${desc}`, ...(why ? [why.message] : [])].join(": "),
  );
  const summary = `${host}: ${status}, ${steps.length} steps, ${(ms / 1000).toFixed(1)} s${failure ? `: ${failure.message}` : ""}`;
  const text = `${[...new Set(details), summary].join("\n")}\n`;
  process.stdout.write(text);
  // Under systemd, stdout already goes to the journal.
  if (process.env["JOURNAL_STREAM"] !== undefined) return;
  const priority = ok ? "info" : "err";
  const { error, status: exit } = spawnSync("systemd-cat", ["-t", "consfigurator", "-p", priority], {
    input: text,
  });
  if (error || exit !== 0)
    spawnSync("logger", ["-t", "consfigurator", "-p", `daemon.${priority}`], { input: text });
}
