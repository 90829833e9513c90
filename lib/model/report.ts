import type { HostChange } from "./changes";
import type { AvailableDatum } from "./data-names";
import type { Failure } from "./errors";
import type { DeployEvent, StepEvent, StepStatus } from "./events";
import type { PlanAnswer } from "./plan";
import type { Rehearsal } from "./rehearsal";
import type { Row } from "./rows";

/** The outcome of one step. */
export interface StepReport {
  readonly step: number;
  readonly parent: number | undefined;
  readonly property: string;
  readonly desc: string;
  readonly site: string;
  readonly status: StepStatus | "unfinished";
  readonly ms: number;
  readonly reason: string | undefined;
  readonly failure: Failure | undefined;
  /** What the step changed, in order; in a plan, what it would change. */
  readonly changes: readonly HostChange[];
  /** Only in a plan: what it says of the step. */
  readonly plan?: PlanAnswer;
  /** Only of a step that asks a table: its rows. */
  readonly rows?: readonly Row[];
  /** The output of the step, both streams interleaved; of more than 1 MB only the beginning and the end. */
  readonly output: string;
  /** The commands that the step ran, in the order in which they ended. Only in verbose deployments. */
  readonly commands?: readonly CommandReport[];
}

/** The outcome of one command. */
export interface CommandReport {
  /** The step that ran it; undefined for a command that ran between steps. */
  readonly step: number | undefined;
  /** As messages show it, shortened when long. */
  readonly command: string;
  /** The exit code; undefined when the command was interrupted or could not be started. */
  readonly exit: number | undefined;
  readonly ms: number;
}

/** The outcome of a deployment of one host. Times are in milliseconds. */
export interface Report {
  readonly host: string;
  readonly deployment: string;
  /** True when nothing failed: every property of the host now holds. Of a plan: when nothing would fail. */
  readonly ok: boolean;
  /** True: it is a plan, and says what would be done. */
  readonly plan?: boolean;
  /** Only of a plan: the data that the host needs, and where a deployment would get it. */
  readonly data?: readonly AvailableDatum[];
  /** Only of a rehearsal: what was found in the clone. */
  readonly rehearsal?: Rehearsal;
  /** True: it is shown with its changes. */
  readonly diff?: boolean;
  readonly status: Extract<DeployEvent, { kind: "deployment-ended" }>["status"];
  readonly steps: readonly StepReport[];
  /** The steps that changed something, failed, or were skipped, without the steps that only contain such steps. */
  readonly changed: readonly StepReport[];
  readonly failed: readonly StepReport[];
  readonly skipped: readonly StepReport[];
  /** The commands of all steps. Only in verbose deployments. */
  readonly commands?: readonly CommandReport[];
  /** The reason why the whole deployment could not continue: unreachable, refused, cancelled. */
  readonly failure: Failure | undefined;
  readonly ms: number;
}

/** The outcome of a deployment of several hosts, which are independent of each other. */
export interface FleetReport {
  readonly reports: readonly Report[];
  readonly ok: boolean;
  readonly changed: readonly Report[];
  readonly failed: readonly Report[];
  readonly ms: number;
}

/** Makes the report of one host from its events. */
export class Reporter {
  readonly #steps = new Map<number, Mutable<StepReport>>();
  #containers = new Set<number>();
  #commands: CommandReport[] | undefined;
  #shown: Pick<Report, "plan" | "data" | "diff" | "rehearsal"> = {};

  /** The steps so far. */
  get steps(): Iterable<StepReport> {
    return this.#steps.values();
  }

  add(event: StepEvent): void {
    switch (event.kind) {
      case "deployment-started":
        if (event.verbose) this.#commands ??= [];
        this.#shown = {
          ...(event.plan && { plan: true }),
          ...(event.data && { data: event.data }),
          ...(event.diff && { diff: true }),
        };
        return;
      case "step-started": {
        const { step, parent, property, desc, site } = event;
        if (parent !== undefined) this.#containers.add(parent);
        this.#steps.set(step, {
          step,
          parent,
          property,
          desc,
          site,
          status: "unfinished",
          ms: 0,
          reason: undefined,
          failure: undefined,
          changes: [],
          output: "",
        });
        return;
      }
      case "step-output": {
        const step = this.#steps.get(event.step);
        if (step) step.output += event.text;
        return;
      }
      case "step-changed": {
        const changes = this.#steps.get(event.step)?.changes as HostChange[] | undefined;
        changes?.push(event.change);
        return;
      }
      case "step-rows": {
        const step = this.#steps.get(event.step);
        if (step) step.rows = [...(step.rows ?? []), ...event.rows];
        return;
      }
      case "command-ran": {
        const { step, command, exit, ms } = event;
        this.#commands ??= [];
        this.#commands.push({ step, command, exit, ms });
        return;
      }
      case "step-ended": {
        const step = this.#steps.get(event.step);
        if (step)
          Object.assign(step, {
            status: event.status,
            ms: event.ms,
            reason: event.reason,
            failure: event.failure,
            ...(event.plan && { plan: event.plan }),
          });
        return;
      }
      case "rehearsed":
        this.#shown = { ...this.#shown, rehearsal: event.rehearsal };
        return;
      default:
    }
  }

  finish(host: string, deployment: string, status: Report["status"], ms: number, failure?: Failure): Report {
    const steps = this.#withCommands([...this.#steps.values()]);
    const leaves = steps.filter(({ step }) => !this.#containers.has(step));
    const failed = steps.filter((step) => step.status === "failed" && step.failure);
    return {
      host,
      deployment,
      ok: failed.length === 0 && (status === "changed" || status === "unchanged"),
      status,
      ...this.#shown,
      steps,
      changed: leaves.filter((step) => step.status === "changed"),
      failed,
      skipped: leaves.filter((step) => step.status === "skipped"),
      failure,
      ms: Math.round(ms),
      ...(this.#commands && { commands: this.#commands }),
    };
  }

  #withCommands(steps: readonly StepReport[]): readonly StepReport[] {
    if (!this.#commands) return steps;
    const byStep = Map.groupBy(this.#commands, ({ step }) => step);
    return steps.map((each) => ({ ...each, commands: byStep.get(each.step) ?? [] }));
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Combines the reports of several hosts. */
export const fleetReport = (reports: readonly Report[], ms: number): FleetReport => ({
  reports,
  ok: reports.every(({ ok }) => ok),
  changed: reports.filter(({ changed }) => changed.length > 0),
  failed: reports.filter(({ ok }) => !ok),
  ms: Math.round(ms),
});
