import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { PROPERTY_NAMES, treeRecord } from "../agent/shared/tree";
import { decode, encode } from "../agent/shared/wire";
import { type PreparedHolder, prepareHolder } from "../connection/host-lock";
import { localConnection } from "../connection/local";
import { applyBehind } from "../engine/hops";
import { answersFrom, type Put } from "../engine/questions";
import type { AgentArtifacts } from "../model/agent-artifacts";
import { appliedAnywhere, declarationsOf, definitionOf, hostsIn } from "../model/application";
import { Cancellation } from "../model/cancellation";
import { Cancelled, FailedChange, failureOf } from "../model/errors";
import type { StepEvent } from "../model/events";
import { hopDefinition } from "../model/hop";
import type { Job, JobOutcome, JobSignal } from "../model/job";
import {
  boolean,
  hop,
  integer,
  json,
  list,
  object,
  optional,
  problems,
  propapp,
  record,
  string,
  warm,
} from "../model/schema";
import { hostDirectory } from "../util/own-host";

/** Loads the properties of the tree and compiles the schemas of those in use. */
export function loadTree(tree: string): void {
  for (const entry of treeRecord(tree).entries) require(path.join(tree, entry));
  warmUp(JSON.parse(readFileSync(path.join(tree, PROPERTY_NAMES), "utf8")) as string[]);
}

/** Runs the validation of a job once in advance: the first run is the slow one. */
function warmUp(names: readonly string[]): void {
  const application = { property: "warm-up", args: {}, site: "" };
  const sample = { deployment: "0", by: "", hops: [], application, host: { name: "", attributes: {} } };
  warm(jobSchema);
  problems(jobSchema, decode(encode(sample)), "job");
  for (const name of names) problems(definitionOf(name).args, {});
}

/** Runs one job in this process. */
export class JobRun {
  readonly #artifacts: AgentArtifacts;
  readonly #holder: Promise<PreparedHolder> | undefined;
  readonly #cancellation = new Cancellation();

  /** `leftovers`: a file that exists while commands of the job run, also when this process was killed. */
  constructor(artifacts: AgentArtifacts, leftovers?: string) {
    this.#artifacts = artifacts;
    // Before there is a job, so that it starts sooner.
    this.#holder = leftovers === undefined ? undefined : prepareHolder(localConnection(), leftovers);
    this.#holder?.catch(() => {});
  }

  /**
   * Never rejects: the outcome contains the error. `put`: asks whoever started the deployment. `flush`: sends what was
   * emitted, before a property acts.
   */
  async run(job: Job, emit: (event: StepEvent) => void, put: Put, flush?: () => void): Promise<JobOutcome> {
    const {
      deployment,
      by,
      verbose = false,
      attended = false,
      values = {},
      held = [],
      plan,
      bound,
      resumed,
    } = job;
    const { ask, data } = answersFrom(put);
    const holder = await this.#holder?.catch(() => undefined);
    const context = {
      deployment,
      by,
      verbose,
      artifacts: this.#artifacts,
      ask: attended ? ask : undefined,
      data,
      values,
      cancellation: this.#cancellation,
      plan,
      bound,
      held: resumed && isFree() ? [] : held,
      resumed,
      ...(flush && { flush }),
      ...(holder && { holder }),
    };
    try {
      validate(job);
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

/** Whether nobody holds the host: the link was lost just when the agent took over from the shell. */
const isFree = (): boolean => spawnSync("flock", ["-n", hostDirectory(), "true"]).status === 0;

const jobSchema = object({
  deployment: string({ minLength: 1 }),
  by: string(),
  hops: list(hop()),
  application: propapp(),
  host: json({ type: "object", required: ["name", "attributes"] }),
  verbose: optional(boolean()),
  attended: optional(boolean()),
  plan: optional(
    object({
      after: list(integer()),
      key: optional(string()),
      before: optional(list(json({ type: "object", required: ["kind", "step", "certain"] }))),
      boot: optional(string()),
      paths: optional(boolean()),
    }),
  ),
  bound: optional(json({ type: "object", required: ["key", "steps", "strict"] })),
  values: optional(record(json())),
  expected: optional(list(string())),
  held: optional(list(string())),
  resumed: optional(
    object({
      steps: integer(),
      path: list(object({ index: integer(), step: optional(integer()), changed: boolean(), ms: integer() })),
      failed: boolean(),
      again: list(propapp()),
      events: list(json()),
    }),
  ),
});

/** Validates a received job: the sender may have other sources, or may not be a controller. */
function validate(job: Job): void {
  const found = problems(jobSchema, job, "job");
  if (found.length > 0) throw new FailedChange(`received an invalid deployment: ${found.join("; ")}`);
  for (const { property, args, nested } of appliedAnywhere(job.application)) {
    refuse(property, problems(definitionOf(property).args, args));
    for (const each of nested?.hops ?? [])
      refuse(`via.${each.hop}`, problems(hopDefinition(each).args, each.args));
  }
  for (const { property, args } of hostsIn(job).flatMap(declarationsOf))
    refuse(property, problems(definitionOf(property).args, args));
  for (const each of job.hops) refuse(`via.${each.hop}`, problems(hopDefinition(each).args, each.args));
}

function refuse(name: string, found: readonly string[]): void {
  if (found.length === 0) return;
  throw new FailedChange(`received invalid arguments for ${name}: ${found.join("; ")}`);
}
