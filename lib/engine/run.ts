import { appliedAnywhere } from "../model/application";

import { type BoundPlan, type Deviation, StepKeys } from "../model/bound";
import type { CarriedValues } from "../model/carried";

import type { HostChange } from "../model/changes";
import {
  AbortedChange,
  Cancelled,
  ConnectionFailed,
  type Expected,
  type Failure,
  failureOf,
} from "../model/errors";
import type { CommandTrace, StepEvent, StepStatus } from "../model/events";
import type { InProgress, JobOutcome, Resumption } from "../model/job";
import { Findings, type PlanAnswer, seenFromOutside } from "../model/plan";
import type { Change, Nested, PropApp } from "../model/property";
import type { PosixTarget } from "../model/target";
import { type AheadOfTurn, LookAhead } from "./ahead";
import type { Position } from "./position";
import { lostFactsNotice, prepareLate } from "./prepare-late";
import type { Done, TakeOver } from "./take-over";

/** The environment in which a tree is applied. */
export interface ApplyContext {
  /** Makes the target of one step. */
  target(listener: StepListener): PosixTarget;
  /** What steps ask before their turn. Absent where that is no quicker. */
  readonly ahead?: AheadOfTurn | undefined;
  /** True: nothing is done; the targets find out what would be. */
  readonly plans?: boolean;
  /** Only of a plan, true: it tells which paths each step looks at. */
  readonly paths?: boolean;
  emit(event: StepEvent): void;
  /** Sends what was emitted so far: what comes next may keep this process busy without a pause. */
  flush?(): void;
  /** The reason why no further step may start; undefined while steps may start. */
  stopped(): string | undefined;
  /** Reports unhandled errors until the returned function is called. Absent when the process handles them itself. */
  onUnhandledError?(listener: (error: unknown) => void): () => void;
  /** Names of the error classes that a combinator around this tree expects. */
  readonly expected?: readonly string[] | undefined;
  /** Only in a nested plan: the steps around it on which it depends whether it is done at all. */
  readonly after?: readonly number[];
  /** The work that properties registered for the end. */
  readonly atEnd: AtEnd;
  /** The agent that is to go on. */
  readonly takeOver?: TakeOver | undefined;
  /** How far the tree was applied before. */
  readonly resumed?: Resumption | undefined;
  /** The plan that the steps must do, and nothing else. */
  readonly bound?: BoundPlan;
  /** With `bound`: the context in which a step is planned as the host is now. */
  planned?(emit: (event: StepEvent) => void): ApplyContext;
  /** Runs a nested deployment, whose events are passed to `emit`. Absent where deployments cannot be nested. */
  nest?(nested: Nested, emit: (event: StepEvent) => void, inside: NestedInside): Promise<JobOutcome>;
}

/** The step that makes a nested deployment. */
export interface NestedInside {
  /** Only in a plan: the steps on which it depends. */
  readonly after: ReadonlySet<number>;
  /** Its key in the plan that the deployment is bound to. */
  readonly within: string | undefined;
  /** What holds for that step, and goes into the nested deployment. */
  readonly values: CarriedValues;
}

/** Receives what happens in one step. */
export interface StepListener {
  output(stream: "stdout" | "stderr", text: string): void;
  /** Receives its commands in verbose deployments. */
  ran(command: CommandTrace): void;
  changed(change: HostChange): void;
  /** Only in a plan: where the target notes what it finds out. */
  readonly findings: Findings | undefined;
}

/** Work for the end of a deployment, by key. */
export type AtEnd = Map<string, Parameters<PosixTarget["atEnd"]>[1]>;

/** The outcome of applying a tree. */
export interface Outcome {
  readonly change: Change;
  /** True when a step failed, even if the others continued. */
  readonly failed: boolean;
  /** True when a step was ended or not started because the user stopped or cancelled the deployment. */
  readonly cancelled: boolean;
  /** How the tree as a whole ended, when a failure stopped it; a step has reported that failure. */
  readonly broken?: "failed" | "aborted";
  /** The error that ended the tree, when a combinator around it expects that. */
  readonly expected?: Expected;
  /** Only of a plan, true: whether anything would change is not certain. */
  readonly uncertain?: boolean;
  /** Only of a bound deployment that stopped: what was not as planned. */
  readonly deviated?: Deviation;
  /** The boot ID of the host before the reboot that has begun. */
  readonly rebootsFrom?: string;
}

/** One run of a tree: numbers its steps and records failures. */
export class Run {
  failed = false;
  cancelled = false;
  /** What is under way already, outermost first, until it is gone on with. */
  readonly resuming: InProgress[] = [];
  #deviated: Deviation | undefined;
  #steps = 0;
  /** What has registered work for the end, by the keys of that work. */
  readonly #registered = new Map<string, PropApp>();
  /** Steps that have started but not ended, in the order in which they started. */
  readonly #running = new Set<number>();
  /** Errors that a step has reported: the steps around it do not report them again. */
  readonly #reported = new WeakSet<object>();
  readonly #prepared: Set<PropApp>;
  readonly ahead: LookAhead | undefined;
  /** Only in a bound deployment. */
  readonly #keys: StepKeys | undefined;

  constructor(
    readonly context: ApplyContext,
    root: PropApp | undefined,
  ) {
    this.#prepared = new Set(root && appliedAnywhere(root));
    if (root && context.ahead)
      this.ahead = new LookAhead(context.ahead, root, (each) => this.#prepared.has(each));
    this.#keys = context.bound && new StepKeys(context.bound.within);
    const { steps = 0, failed = false, again = [] } = context.resumed ?? {};
    this.#steps = steps;
    this.failed = failed;
    for (const each of again.flatMap((application) => [...appliedAnywhere(application)]))
      this.#prepared.add(each);
  }

  /** How far the tree is applied, at `position`. */
  doneAt({ path }: Position): Done {
    const { failed } = this;
    return { steps: this.#steps, path, failed, again: [...new Set(this.#registered.values())] };
  }

  /** Notes that `application`, or what is inside it, has registered the work for the end that is new. */
  noteRegistered(application: PropApp): void {
    for (const key of this.context.atEnd.keys())
      if (!this.#registered.has(key)) this.#registered.set(key, application);
  }

  begin(parent: number | undefined, property: string, desc: string, site: string): number {
    const step = this.#nextStep();
    this.#running.add(step);
    this.#keys?.started(step, parent, property, desc);
    const inside = parent !== undefined && { parent };
    this.context.emit({ kind: "step-started", step, ...inside, property, desc, site });
    return step;
  }

  end(
    step: number,
    status: StepStatus,
    ms: number,
    more: { reason?: string; failure?: Failure; plan?: PlanAnswer },
  ): void {
    this.#running.delete(step);
    this.context.emit({ kind: "step-ended", step, status, ms: Math.round(ms * 10) / 10, ...more });
  }

  /** Where a plan notes what it finds out about `step`, which depends on the steps `after`; undefined in a deployment. */
  findings(step: number, after: Iterable<number>): Findings | undefined {
    if (!this.context.plans) return undefined;
    const findings = new Findings(step);
    if (this.context.paths) findings.paths = new Set();
    for (const each of after) findings.dependsOn.add(each);
    return findings;
  }

  /** Reports the commands and changes of `step`; undefined: of what happens between steps. */
  listener(
    step: number | undefined,
    output: StepListener["output"],
    findings: Findings | undefined,
  ): StepListener {
    const { emit } = this.context;
    return {
      output,
      findings,
      ran: (command) => emit({ kind: "command-ran", ...(step !== undefined && { step }), ...command }),
      changed: (change) => {
        if (step !== undefined) emit({ kind: "step-changed", step, change });
      },
    };
  }

  /** Reports an unhandled error as a failed step inside the running step that started last. */
  failUnhandled(error: unknown): void {
    const step = this.begin([...this.#running].at(-1), "unhandledError", "unhandled error", "");
    this.noteFailure(error);
    this.end(step, "failed", 0, { failure: failureOf(error) });
  }

  /** The key of `step` in the plan that this run is bound to. */
  keyOf(step: number): string {
    return this.#keys?.of(step) ?? "";
  }

  /** What was not as planned, so that this bound deployment starts no further step. */
  get deviated(): Deviation | undefined {
    return this.#deviated;
  }

  /** Starts no further step because of `deviation`. */
  deviate({ reason, steps }: Deviation): void {
    const before = this.#deviated;
    this.#deviated = { reason: before?.reason ?? reason, steps: { ...before?.steps, ...steps } };
  }

  isReported(error: unknown): boolean {
    return typeof error === "object" && error !== null && this.#reported.has(error);
  }

  /** Records that a step has reported `error`. */
  markReported(error: unknown): void {
    if (typeof error === "object" && error !== null) this.#reported.add(error);
  }

  /** Records that a step failed with `error`. */
  noteFailure(error: unknown): void {
    this.failed = true;
    if (error instanceof Cancelled) this.cancelled = true;
  }

  /** The reason not to start the next step, if there is one. */
  stopped(): string | undefined {
    const reason = this.context.stopped();
    if (reason) this.cancelled = true;
    return reason ?? this.#deviated?.reason;
  }

  /** `application` ready to be applied; if a property has just made it, it is prepared first. */
  prepared(application: PropApp, target: PosixTarget): PropApp {
    if (this.#prepared.has(application)) return application;
    const prepared = prepareLate(application, target, (facts) =>
      this.context.emit({ kind: "notice", text: lostFactsNotice(application, facts) }),
    );
    for (const each of appliedAnywhere(prepared)) this.#prepared.add(each);
    return prepared;
  }

  /**
   * Runs the deployment `nested`; its steps become steps inside `parent`. `onUncertain` is called with each step inside of
   * which a plan is not certain.
   */
  async nest(
    nested: Nested,
    parent: number | undefined,
    around: Omit<NestedInside, "within">,
    onUncertain: (step: number) => void = () => {},
  ): Promise<JobOutcome> {
    const { context } = this;
    if (!context.nest) throw new AbortedChange("deployments cannot be nested here");
    const numbers = new Map<number, number>();
    try {
      const inside = { ...around, within: this.#keys?.of(parent ?? 0) };
      const outcome = await context.nest(nested, this.#renumbering(parent, numbers, onUncertain), inside);
      const acts = outcome.acts?.map((act) => ({ ...act, step: numbers.get(act.step) ?? parent ?? 0 }));
      return { ...outcome, ...(acts && { acts }) };
    } catch (error) {
      // An unreachable nested host fails one step only: the connection to this host still works.
      throw error instanceof ConnectionFailed ? new AbortedChange(error.message, { cause: error }) : error;
    }
  }

  /** Passes on the events of a nested deployment with step numbers of this one, which go into `numbers`. */
  #renumbering(
    parent: number | undefined,
    numbers: Map<number, number>,
    onUncertain: (step: number) => void,
  ): (event: StepEvent) => void {
    return (event) => {
      if (event.kind === "step-started") {
        const step = this.#nextStep();
        numbers.set(event.step, step);
        const around = event.parent === undefined ? parent : numbers.get(event.parent);
        const { parent: _nested, ...rest } = event;
        this.context.emit({ ...rest, step, ...(around !== undefined && { parent: around }) });
      } else if (event.kind === "command-ran") {
        const { step: nestedStep, ...rest } = event;
        const step = nestedStep === undefined ? parent : numbers.get(nestedStep);
        this.context.emit({ ...rest, ...(step !== undefined && { step }) });
      } else if (event.kind === "step-ended" && event.plan?.dependsOn) {
        // Below 0: a step of this run, or one around it.
        const dependsOn = event.plan.dependsOn
          .map((each) => (each < 0 ? seenFromOutside(each) : (numbers.get(each) ?? 0)))
          .sort((a, b) => a - b);
        const plan = { ...event.plan, dependsOn };
        const step = numbers.get(event.step) ?? 0;
        onUncertain(step);
        this.context.emit({ ...event, step, plan });
      } else if ("step" in event) {
        this.context.emit({ ...event, step: numbers.get(event.step) ?? 0 });
      } else {
        this.context.emit(event);
      }
    };
  }

  #nextStep(): number {
    this.#steps += 1;
    return this.#steps;
  }
}
