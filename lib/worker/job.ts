import { readFileSync } from "node:fs";
import path from "node:path";
import { PROPERTY_NAMES, treeRecord } from "../agent/shared/tree";
import { decode, encode } from "../agent/shared/wire";
import { localConnection } from "../connection/local";
import { applyBehind } from "../engine/hops";
import type { AgentArtifacts } from "../model/agent-artifacts";
import { appliedAnywhere, definitionOf } from "../model/application";
import { Cancellation } from "../model/cancellation";
import { Cancelled, FailedChange, failureOf } from "../model/errors";
import type { StepEvent } from "../model/events";
import { hopDefinition } from "../model/hop";
import type { Job, JobOutcome, JobSignal } from "../model/job";
import { boolean, hop, json, list, object, optional, problems, propapp, string, warm } from "../model/schema";

/** Loads the properties of the tree, and makes the checks of those in play ready while nobody waits. */
export function loadTree(tree: string): void {
  for (const entry of treeRecord(tree).entries) require(path.join(tree, entry));
  rehearse(JSON.parse(readFileSync(path.join(tree, PROPERTY_NAMES), "utf8")) as string[]);
}

/** What each job begins with is done once while nobody waits: what ran once runs faster. */
function rehearse(names: readonly string[]): void {
  const application = { property: "rehearsal", args: {}, site: "" };
  const sample = { deployment: "0", by: "", hops: [], application, host: { name: "", attributes: {} } };
  warm(jobSchema);
  problems(jobSchema, decode(encode(sample)), "job");
  for (const name of names) problems(definitionOf(name).args, {});
}

/** Does one job in this process, and can be told to stop. */
export class JobRun {
  readonly #artifacts: AgentArtifacts;
  readonly #cancellation = new Cancellation();

  constructor(artifacts: AgentArtifacts) {
    this.#artifacts = artifacts;
  }

  /** Never rejects: what went wrong is in the outcome. */
  async run(job: Job, emit: (event: StepEvent) => void): Promise<JobOutcome> {
    const { deployment, by, verbose = false } = job;
    const context = {
      deployment,
      by,
      verbose,
      artifacts: this.#artifacts,
      ask: undefined,
      cancellation: this.#cancellation,
    };
    try {
      refuseMalformed(job);
      return await applyBehind(job, { connection: localConnection(), ownProcess: true }, context, emit);
    } catch (error) {
      return {
        change: "unchanged",
        failed: true,
        cancelled: error instanceof Cancelled,
        failure: failureOf(error),
      };
    }
  }

  signal(signal: JobSignal): void {
    this.#cancellation.request(signal);
  }
}

const jobSchema = object({
  deployment: string({ minLength: 1 }),
  by: string(),
  hops: list(hop()),
  application: propapp(),
  host: json({ type: "object", required: ["name", "attributes"] }),
  verbose: optional(boolean()),
  expected: optional(list(string())),
});

/** What arrives is checked again: the other end may have other sources, or be no controller of ours. */
function refuseMalformed(job: Job): void {
  const strange = problems(jobSchema, job, "job");
  if (strange.length > 0)
    throw new FailedChange(`what arrived is no deployment of ours: ${strange.join("; ")}`);
  for (const { property, args, nested } of appliedAnywhere(job.application)) {
    refuse(property, problems(definitionOf(property).args, args));
    for (const each of nested?.hops ?? [])
      refuse(`via.${each.hop}`, problems(hopDefinition(each).args, each.args));
  }
  for (const each of job.hops) refuse(`via.${each.hop}`, problems(hopDefinition(each).args, each.args));
}

function refuse(name: string, complaints: readonly string[]): void {
  if (complaints.length === 0) return;
  throw new FailedChange(`${name} arrived with other arguments than it takes: ${complaints.join("; ")}`);
}
