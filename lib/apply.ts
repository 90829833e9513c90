import { strictly } from "./_sequence";
import type { JobOutcome } from "./agent/messages";
import { AbortedChange, Cancelled, ConnectionFailed, FailedChange, failureOf } from "./errors";
import type { StepEvent, StepStatus } from "./events";
import { definitionOf, innerOf } from "./prepare";
import {
  type AnyDefinition,
  asCode,
  type Change,
  type Direction,
  type Nested,
  type PropApp,
  type Steps,
} from "./property";
import type { PosixTarget } from "./target";

/** What applying needs of the place where it happens. */
export interface Applying {
  /** A target whose output belongs to one step. */
  target(output: (stream: "stdout" | "stderr", text: string) => void): PosixTarget;
  emit(event: StepEvent): void;
  /** Why no further step may be started, once that is so. */
  stopped(): string | undefined;
  /** What properties want done at the end, last registered first. */
  readonly atEnd: AtEnd;
  /** Makes a deployment from here; its events are told as they come. Left out: nothing can be nested here. */
  nest?(nested: Nested, emit: (event: StepEvent) => void): Promise<JobOutcome>;
}

/** Work for the end of a deployment: each key once. */
export type AtEnd = Map<string, (target: PosixTarget, result: Change) => Promise<void>>;

/** What applying a tree came to. */
export interface Outcome {
  readonly change: Change;
  /** True when a step failed, whether or not others went on. */
  readonly failed: boolean;
  /** True when a step was ended, or not started, because that was asked for. */
  readonly cancelled: boolean;
}

/** Applies the prepared tree `root`, then what was registered for the end. Failures inside are events, never thrown. */
export async function applyTree(root: PropApp, applying: Applying): Promise<Outcome> {
  const walk = new Walk(applying);
  const steps = new StepsBelow(walk, undefined);
  const outcome = await steps.attempt(root);
  const change: Change = outcome === "changed" || outcome === "failed" ? "changed" : "unchanged";
  for (const act of [...applying.atEnd.values()].reverse()) {
    await steps
      .announced("atEnd", "at the end", "", async (target) => {
        await act(target, change);
        return "changed";
      })
      .catch(() => {});
  }
  return { change, failed: walk.failed, cancelled: walk.cancelled };
}

/** One pass over a tree. */
class Walk {
  failed = false;
  cancelled = false;
  /** How many steps may have changed something so far. */
  changes = 0;
  #steps = 0;
  /** Errors that a step has shown already: those around it only say that they failed. */
  readonly #shown = new WeakSet<object>();

  constructor(readonly applying: Applying) {}

  nextStep(): number {
    this.#steps += 1;
    return this.#steps;
  }

  isShown(error: unknown): boolean {
    return typeof error === "object" && error !== null && this.#shown.has(error);
  }

  /** A step ended with `error`, and says so. */
  note(error: unknown): void {
    this.failed = true;
    if (error instanceof Cancelled) this.cancelled = true;
    if (!(error instanceof AbortedChange)) this.changes += 1;
    if (typeof error === "object" && error !== null) this.#shown.add(error);
  }

  /** Asked before each step. */
  stopped(): string | undefined {
    const reason = this.applying.stopped();
    if (reason) this.cancelled = true;
    return reason;
  }
}

/** The steps inside of one step. */
class StepsBelow implements Steps {
  readonly #walk: Walk;
  readonly #parent: number | undefined;

  constructor(walk: Walk, parent: number | undefined) {
    this.#walk = walk;
    this.#parent = parent;
  }

  apply(application: PropApp): Promise<Change> {
    return this.#perform(application, "apply");
  }

  unapply(application: PropApp): Promise<Change> {
    return this.#perform(application, "unapply");
  }

  async attempt(
    application: PropApp,
    direction: Direction = "apply",
  ): Promise<Change | "failed" | "aborted"> {
    const stopped = this.#walk.stopped();
    if (stopped) {
      this.skip(application, stopped);
      return "aborted";
    }
    const before = this.#walk.changes;
    try {
      return await this.#perform(application, direction);
    } catch (error) {
      if (error instanceof ConnectionFailed) throw error;
      // What was aborted touched nothing, but what stood before it in the same application may have.
      return error instanceof AbortedChange && this.#walk.changes === before ? "aborted" : "failed";
    }
  }

  skip(application: PropApp, reason: string): void {
    const definition = definitionOf(application.property);
    if (definition.inline) {
      for (const each of innerOf(application)) this.skip(each, reason);
      return;
    }
    const step = this.#begin(
      application.property,
      describe(definition, application, "apply"),
      application.site,
    );
    this.#end(step, "skipped", 0, { reason: this.#walk.stopped() ?? reason });
  }

  async #perform(application: PropApp, direction: Direction): Promise<Change> {
    const definition = definitionOf(application.property);
    const { property, site } = application;
    if (!definition.inline) {
      const stopped = this.#walk.stopped();
      if (stopped) this.skip(application, stopped);
      return this.announced(property, describe(definition, application, direction), site, (target, steps) =>
        act(definition, application, direction, target, steps),
      );
    }
    try {
      return await act(
        definition,
        application,
        direction,
        this.#walk.applying.target(() => {}),
        this,
      );
    } catch (error) {
      if (error instanceof Cancelled || this.#walk.isShown(error)) throw error;
      // It failed by itself, not by a step inside it: then it is a step after all, or nobody would hear of it.
      return this.announced(property, describe(definition, application, direction), site, () =>
        Promise.reject(error),
      );
    }
  }

  /** `work` as a step of its own, with its output, its time and how it ended. */
  async announced(
    property: string,
    desc: string,
    site: string,
    work: (target: PosixTarget, steps: StepsBelow) => Promise<Change>,
  ): Promise<Change> {
    const { applying } = this.#walk;
    const stopped = this.#walk.stopped();
    if (stopped) throw new Cancelled(stopped);
    const step = this.#begin(property, desc, site);
    const started = performance.now();
    const output = (stream: "stdout" | "stderr", text: string) =>
      applying.emit({ kind: "step-output", step, stream, text });
    try {
      const change = await work(applying.target(output), new StepsBelow(this.#walk, step));
      if (change === "changed") this.#walk.changes += 1;
      this.#end(step, change, performance.now() - started, {});
      return change;
    } catch (error) {
      const known = this.#walk.isShown(error);
      this.#walk.note(error);
      this.#end(
        step,
        "failed",
        performance.now() - started,
        known ? { reason: "a step inside it failed" } : { failure: failureOf(error) },
      );
      throw error;
    }
  }

  /** A deployment from here: its steps become steps inside of this one. */
  async deploy(nested: Nested): Promise<Change> {
    const { applying } = this.#walk;
    const numbers = new Map<number, number>();
    if (!applying.nest) throw new AbortedChange("no deployment can be made from here");
    const outcome = await nestedly(
      applying.nest(nested, (event) => {
        if (event.kind === "step-started") {
          const step = this.#walk.nextStep();
          numbers.set(event.step, step);
          const parent = event.parent === undefined ? this.#parent : numbers.get(event.parent);
          const { parent: _theirs, ...rest } = event;
          applying.emit({ ...rest, step, ...(parent !== undefined && { parent }) });
        } else if ("step" in event) {
          applying.emit({ ...event, step: numbers.get(event.step) ?? 0 });
        } else {
          applying.emit(event);
        }
      }),
    );
    if (outcome.change === "changed") this.#walk.changes += 1;
    if (outcome.failed) this.#walk.failed = true;
    if (outcome.failure) throw new FailedChange(outcome.failure.message);
    if (outcome.cancelled) throw new Cancelled(this.#walk.stopped() ?? "the deployment was stopped");
    return outcome.change;
  }

  #begin(property: string, desc: string, site: string): number {
    const step = this.#walk.nextStep();
    const parent = this.#parent;
    this.#walk.applying.emit({
      kind: "step-started",
      step,
      ...(parent !== undefined && { parent }),
      property,
      desc,
      site,
    });
    return step;
  }

  #end(
    step: number,
    status: StepStatus,
    ms: number,
    more: { reason?: string; failure?: ReturnType<typeof failureOf> },
  ): void {
    this.#walk.applying.emit({ kind: "step-ended", step, status, ms: Math.round(ms * 10) / 10, ...more });
  }
}

/** That a further host cannot be reached is the failure of one step: we ourselves are still where we were. */
async function nestedly(outcome: Promise<JobOutcome>): Promise<JobOutcome> {
  try {
    return await outcome;
  } catch (error) {
    throw error instanceof ConnectionFailed ? new AbortedChange(error.message, { cause: error }) : error;
  }
}

/** Applies or unapplies one application, as the property's slots say. */
async function act(
  definition: AnyDefinition,
  { args, parts, nested, property }: PropApp,
  direction: Direction,
  target: PosixTarget,
  steps: StepsBelow,
): Promise<Change> {
  const slots = definition as Definition;
  if (direction === "apply") {
    if (await slots.check?.(args, target)) return "unchanged";
    if (slots.apply) return slots.apply(args, target, steps);
    if (nested) return steps.deploy(nested);
    if (parts) return strictly(parts, "apply", steps);
    if (slots.hostattrs) return "unchanged";
    throw new AbortedChange(`${property} has nothing to apply; is the file that defines it complete?`);
  }
  if (!slots.apply && !slots.unapply && !parts) return "unchanged";
  if (slots.check && !(await slots.check(args, target))) return "unchanged";
  if (slots.unapply) return slots.unapply(args, target, steps);
  if (parts) return strictly(parts.toReversed(), "unapply", steps);
  throw new FailedChange(`${property} cannot be unapplied`);
}

/** The slots as they are called here: a target of the right kind has been seen to before. */
type Definition = {
  readonly hostattrs?: unknown;
  readonly check?: (args: unknown, target: PosixTarget) => Promise<boolean>;
  readonly apply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
  readonly unapply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
};

function describe({ desc }: AnyDefinition, { property, args }: PropApp, direction: Direction): string {
  const text = desc ? desc(args) : asCode(property, [args]);
  return direction === "apply" ? text : `not: ${text}`;
}
