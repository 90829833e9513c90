import { readFileSync } from "node:fs";
import path from "node:path";
import { PROPERTY_NAMES, treeRecord } from "../agent/shared/tree";
import { decode, encode } from "../agent/shared/wire";
import { localConnection } from "../connection/local";
import { applyBehind } from "../engine/hops";
import type { Kit } from "../model/agent-artifacts";
import { appliedAnywhere, definitionOf } from "../model/application";
import { Cancelled, FailedChange, failureOf } from "../model/errors";
import type { StepEvent } from "../model/events";
import { hopDefinition } from "../model/hop";
import { type Job, type JobOutcome, type JobSignal, stoppedBy } from "../model/job";
import { boolean, hop, json, list, object, optional, problems, propapp, string, warm } from "../model/schema";

/** Loads the properties of the tree, and makes the checks of those in play ready while nobody waits. */
export function load(tree: string): void {
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

/** The doing of one job by a worker, and how it is stopped. */
export class Work {
  readonly #kit: Kit;
  readonly #cancel = new AbortController();
  #stopping: string | undefined;
  /** Those that do parts of it for us. */
  readonly #workers = new Set<(signal: JobSignal) => void>();

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Never rejects: what went wrong is in the outcome. */
  async do(job: Job, emit: (event: StepEvent) => void): Promise<JobOutcome> {
    const { deployment, by, verbose = false } = job;
    const course = {
      deployment,
      by,
      verbose,
      kit: this.#kit,
      ask: undefined,
      signal: this.#cancel.signal,
      stopped: () => this.#stopping,
      workers: this.#workers,
    };
    try {
      refuseUnfit(job);
      return await applyBehind(job, { connection: localConnection(), ownProcess: true }, course, emit);
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
    this.#stopping ??= stoppedBy(signal);
    for (const pass of this.#workers) pass(signal);
    if (signal === "cancel") this.#cancel.abort(new Cancelled(stoppedBy(signal)));
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
function refuseUnfit(job: Job): void {
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
