import { definitionOf, innerOf } from "../model/application";
import { carriedFrom } from "../model/carried";
import { described, describedOrNamed } from "../model/describe";
import {
  AbortedChange,
  Cancelled,
  ConnectionFailed,
  type Expected,
  errorOf,
  expectedError,
  FailedChange,
  failureOf,
  isOfClass,
} from "../model/errors";
import type { InProgress } from "../model/job";
import { type Findings, type PlanAnswer, type PlanningStep, stopsPlan } from "../model/plan";
import type {
  AnyDefinition,
  Change,
  Direction,
  Nested,
  PropApp,
  StepOptions,
  Steps,
} from "../model/property";
import { MOST_ROWS, type Row } from "../model/rows";
import type { PosixTarget } from "../model/target";
import { filesBehind } from "../target/files-behind";
import { refuseDeviation } from "./bound";
import { ChangeCounter } from "./change-counter";
import { pathsOf, plannedStep } from "./plan";
import { Position } from "./position";
import type { Run, StepListener } from "./run";
import { isSequence, type Positioned, skipAll } from "./sequence";
import { applySlots, type SlotSteps } from "./slots";
import { StepOptionsStack } from "./step-options";
import { StepOutput } from "./step-output";

/** The position of steps in the tree. */
interface Scope {
  /** The step that contains them. */
  readonly parent: number | undefined;
  /** The target of that step, without the options of combinators. */
  readonly plainTarget: PosixTarget;
  /** Receives the output of that step. */
  readonly output: StepListener["output"];
  readonly changes: ChangeCounter;
  readonly options: StepOptionsStack;
  /** Where a plan notes what it finds out about the step that contains them. */
  readonly findings: Findings | undefined;
  /** In a plan: the earlier steps on which it depends whether these are done at all. */
  readonly after: ReadonlySet<number>;
  /** Options for the applications passed next, but not for those inside them. */
  readonly next: Pick<StepOptions, "desc" | "quiet">;
  /** Where in a sequence they are, for the agent that is to take over there, or has. */
  readonly position?: Position | undefined;
}

/** The work of a step, given its target and the steps inside it. */
type Work = (target: PosixTarget, inner: ApplicationSteps) => Promise<Change>;

/** The steps inside one step, or at the top of a run. */
export class ApplicationSteps implements SlotSteps, Positioned {
  readonly #run: Run;
  readonly #scope: Scope;

  constructor(run: Run, scope: Scope) {
    this.#run = run;
    this.#scope = scope;
  }

  /** `around`: the options of combinators around them. */
  static topLevel(run: Run, around?: StepOptionsStack): ApplicationSteps {
    const { context } = run;
    const notice = (_stream: string, text: string) => context.emit({ kind: "notice", text: text.trimEnd() });
    const after = new Set(context.after);
    const findings = run.findings(0, after);
    const plainTarget = context.target(run.listener(undefined, notice, findings));
    const expected = context.expected ?? [];
    const options = around ?? expected.reduce((all, expects) => all.with({ expects }), StepOptionsStack.none);
    const changes = new ChangeCounter();
    return new ApplicationSteps(run, {
      parent: undefined,
      plainTarget,
      output: notice,
      changes,
      ...(context.takeOver && { position: new Position(undefined, undefined, changes) }),
      options,
      findings,
      after,
      next: {},
    });
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
    const stopped = this.#run.stopped();
    if (stopped) {
      this.skip(application, stopped, direction);
      return "aborted";
    }
    const changes = new ChangeCounter(this.#scope.changes);
    try {
      return await this.#perform(application, direction, changes);
    } catch (error) {
      if (error instanceof ConnectionFailed || this.expects(error)) throw error;
      // The aborted step changed nothing, but the steps before it in the same application may have.
      return error instanceof AbortedChange && !changes.any ? "aborted" : "failed";
    }
  }

  skip(application: PropApp, reason: string, direction: Direction = "apply"): void {
    const { next } = this.#scope;
    const definition = definitionOf(application.property);
    if (next.quiet) return;
    if (definition.inline && next.desc === undefined) {
      const why = this.#run.stopped() ?? reason;
      if (definition.skip) definition.skip(application.args, this, why, direction);
      else skipAll(innerOf(application), why, direction, this);
      return;
    }
    const step = this.#begin(application, next.desc ?? described(application, direction));
    this.#run.end(step, "skipped", 0, { reason: this.#run.stopped() ?? reason });
  }

  within({ desc, quiet, ...options }: StepOptions): Steps {
    const { options: around, next } = this.#scope;
    return new ApplicationSteps(this.#run, {
      ...this.#scope,
      options: around.with(options),
      next: { ...next, ...(desc !== undefined && { desc }), ...(quiet !== undefined && { quiet }) },
    });
  }

  following(): Steps {
    const { changes, after } = this.#scope;
    return new ApplicationSteps(this.#run, {
      ...this.#scope,
      after: new Set([...after, ...changes.uncertain]),
    });
  }

  reach(index: number): boolean {
    return this.#scope.position?.reach(index) ?? true;
  }

  get touched(): boolean {
    return this.#scope.changes.any;
  }

  get isUncertain(): boolean {
    return this.#scope.changes.uncertain.size > 0;
  }

  get findings(): Findings | undefined {
    return this.#scope.findings;
  }

  expects(error: unknown): boolean {
    return this.#scope.options.expects(error);
  }

  /** `error` as data, when a combinator outside this process expects it; else undefined. */
  expectedAs(error: unknown): Expected | undefined {
    const name = this.#scope.options.expected.find((each) => isOfClass(error, each));
    if (name === undefined || !this.expects(error)) return undefined;
    const { message } = error as Error;
    return { name, message, touched: this.touched || !(error instanceof AbortedChange) };
  }

  notice(text: string): void {
    this.#run.context.emit({ kind: "notice", text });
  }

  async #perform(
    given: PropApp,
    direction: Direction,
    changes = new ChangeCounter(this.#scope.changes),
  ): Promise<Change> {
    const { next, plainTarget, options } = this.#scope;
    const stopped = this.#run.stopped();
    if (stopped && this.#isAnnounced(given)) {
      this.skip(given, stopped, direction);
      throw new Cancelled(stopped);
    }
    const { ahead } = this.#run;
    const { takeOver } = this.#run.context;
    const position = direction === "apply" ? this.#scope.position : undefined;
    if (!stopped) ahead?.begin(given);
    try {
      if (takeOver && position && !stopped) await takeOver.before(given, () => this.#run.doneAt(position));
      const target = options.targetFor(plainTarget);
      const application = this.#run.prepared(given, target);
      const resumed = this.#run.resuming.shift();
      const inside = (step?: number) =>
        resumed || (takeOver && position && isSequence(application))
          ? new Position(position, step, changes, resumed)
          : undefined;
      const work: Work = async (on, inner) => {
        const change = await applySlots(application, direction, on, inner);
        return resumed?.changed ? "changed" : change;
      };
      if (this.#isAnnounced(application)) {
        const desc = next.desc ?? described(application, direction);
        return await this.announced(application, desc, work, changes, { inside, resumed });
      }
      const scope = { ...this.#scope, changes, next: {}, position: inside() };
      return await this.#inline(application, direction, work, scope);
    } catch (error) {
      if (error instanceof ConnectionFailed && takeOver?.outlivesLink && position)
        return await takeOver.goOn(this.#run.doneAt(position));
      if (stopsPlan(error)) return "changed";
      if (error instanceof Cancelled || this.#run.isReported(error)) throw error;
      // No step inside it has reported this failure, so it is reported as a step, even if it is inline.
      const desc = next.desc ?? describedOrNamed(given, direction);
      return this.announced(given, desc, () => Promise.reject(error), changes);
    } finally {
      ahead?.end(given);
    }
  }

  /**
   * Does `work` of an application that is no step itself. In a plan it finds out what it depends on for itself: what is
   * beside it in the same step does not depend on that.
   */
  async #inline(application: PropApp, direction: Direction, work: Work, scope: Scope): Promise<Change> {
    const { findings: around, parent, after, output, options } = scope;
    const findings = around && this.#run.findings(parent ?? 0, after);
    if (!findings) {
      return work(options.targetFor(scope.plainTarget), new ApplicationSteps(this.#run, scope));
    }
    const plainTarget = this.#run.context.target(this.#run.listener(parent, output, findings));
    const own = { ...scope, plainTarget, findings, after: findings.dependsOn };
    const inner = new ApplicationSteps(this.#run, own);
    try {
      return await work(options.targetFor(plainTarget), inner);
    } catch (error) {
      if (findings.certain || stopsPlan(error) || this.#run.isReported(error)) throw error;
      const desc = describedOrNamed(application, direction);
      return await inner.announced(application, desc, () => Promise.reject(error));
    } finally {
      for (const each of findings.dependsOn) if (!after.has(each)) around.inside.add(each);
    }
  }

  #isAnnounced({ property }: PropApp): boolean {
    const { desc, quiet } = this.#scope.next;
    return !quiet && (desc !== undefined || !definitionOf(property).inline);
  }

  /** Does `work` as a separate step and reports its output, duration and outcome. */
  async announced(
    subject: Pick<PropApp, "property" | "site">,
    desc: string,
    work: Work,
    changes = new ChangeCounter(this.#scope.changes),
    {
      inside,
      resumed,
    }: { inside?: (step: number) => Position | undefined; resumed?: InProgress | undefined } = {},
  ): Promise<Change> {
    const stopped = this.#run.stopped();
    if (stopped) throw new Cancelled(stopped);
    const { context } = this.#run;
    const { options } = this.#scope;
    const step = resumed?.step ?? this.#begin(subject, desc);
    const started = performance.now() - (resumed?.ms ?? 0);
    const elapsed = () => performance.now() - started;
    const output = new StepOutput(step, (event) => context.emit(event));
    const findings = this.#run.findings(step, this.#scope.after);
    try {
      const add: StepListener["output"] = (stream, text) => output.add(stream, text);
      const listener = this.#run.listener(step, add, findings);
      const plainTarget = context.target(listener);
      // Where it is not certain that this step does what it is seen to do, it is not of those inside it either.
      const after = findings?.dependsOn ?? NONE;
      const position = { parent: step, plainTarget, output: add };
      const scope = { ...position, changes, options, findings, after, next: {}, position: inside?.(step) };
      const inner = new ApplicationSteps(this.#run, scope);
      await refuseDeviation(this.#run, subject, this.#run.keyOf(step), (run) =>
        ApplicationSteps.topLevel(run, options.passive).announced(subject, desc, work),
      );
      const perform = () => work(options.targetFor(plainTarget), inner);
      const { change, now, plan } = findings
        ? await plannedStep(findings, changes, perform)
        : await perform().then((change) => ({ change, now: change, plan: undefined }));
      output.end();
      if (context.takeOver) this.#run.noteRegistered(subject as PropApp);
      if (change === "changed" && !plan) changes.add();
      this.#run.end(
        step,
        now,
        elapsed(),
        plan ? { plan: { ...plan, ...(findings && (await pathsOf(findings))) } } : {},
      );
      return change;
    } catch (error) {
      output.end();
      if (!(error instanceof AbortedChange)) changes.add();
      this.#endWithError(step, elapsed(), error, findings && (await pathsOf(findings)));
      throw error;
    }
  }

  /** Ends the step with `error`, unless a step inside it has reported that error already. */
  #endWithError(step: number, ms: number, error: unknown, paths?: Pick<PlanAnswer, "paths">): void {
    const reported = this.#run.isReported(error);
    this.#run.markReported(error);
    if (error instanceof ConnectionFailed && this.#run.context.takeOver?.outlivesLink)
      return this.#run.end(step, "skipped", ms, {
        reason: "the connection was lost; the agent does it again",
      });
    if (this.expects(error)) {
      const reason = reported ? "a step inside it was skipped" : String(error);
      return this.#run.end(step, "skipped", ms, { reason });
    }
    this.#run.noteFailure(error);
    const why = reported ? { reason: "a step inside it failed" } : { failure: failureOf(error) };
    const plan = this.#run.context.plans && { plan: { answer: "would fail", ...paths } as const };
    this.#run.end(step, "failed", ms, { ...why, ...plan });
  }

  /** Runs the deployment `nested`: its steps become steps inside this one. */
  async deploy(nested: Nested): Promise<Change> {
    const { parent, changes, options, findings, plainTarget } = this.#scope;
    const { expected } = options;
    const work = { ...nested, ...(expected.length > 0 && { expected }) };
    const uncertain = new Set<number>();
    const planning = findings && (plainTarget as unknown as PlanningStep);
    const { dependsOn: after = NONE } = findings ?? {};
    const values = carriedFrom(options.targetFor(plainTarget), filesBehind(nested.hops));
    const outcome = await this.#run
      .nest(work, parent, { after, values }, (step) => uncertain.add(step))
      .catch((error: unknown) => {
        // What is not there yet, such as an account, earlier steps may bring. What would then be done is not known.
        planning?.dependOnEarlier();
        if (findings?.certain === false) planning?.mayChange();
        throw error;
      });
    if (outcome.change === "changed") {
      const isUncertain = outcome.uncertain || findings?.certain === false;
      if (!isUncertain) changes.add();
      else for (const each of uncertain.size > 0 ? uncertain : [parent ?? 0]) changes.addUncertain(each);
    }
    if (outcome.acts) planning?.changesInside(outcome.acts);
    else if (outcome.change === "changed") planning?.mayChange();
    if (outcome.failed) this.#run.failed = true;
    if (outcome.deviated) this.#run.deviate(outcome.deviated);
    if (outcome.cancelled) throw new Cancelled(this.#run.stopped() ?? "the deployment was stopped");
    if (outcome.failure) throw errorOf(outcome.failure);
    if (outcome.expected) throw this.#alreadyReported(expectedError(outcome.expected));
    if (outcome.broken) {
      const Broken = outcome.broken === "aborted" ? AbortedChange : FailedChange;
      throw this.#alreadyReported(new Broken("a step inside it failed"));
    }
    return outcome.change;
  }

  report(rows: readonly Row[]): void {
    const { parent: step } = this.#scope;
    if (step === undefined) return;
    for (let at = 0; at === 0 || at < rows.length; at += MOST_ROWS)
      this.#run.context.emit({ kind: "step-rows", step, rows: rows.slice(at, at + MOST_ROWS) });
  }

  #alreadyReported(error: Error): Error {
    this.#run.markReported(error);
    return error;
  }

  /**
   * An inline property changes nothing itself; the applications inside it do. Only what uses Node itself can keep this process
   * from sending by and by what was reported, so that is sent before.
   */
  async beforeChange({ inline, kind }: AnyDefinition, checked: boolean): Promise<void> {
    if (inline) return;
    if (kind === "agent") this.#run.context.flush?.();
    await this.#scope.options.beforeChange(
      checked,
      (options) => new ApplicationSteps(this.#run, { ...this.#scope, options, next: {} }),
    );
  }

  #begin({ property, site }: Pick<PropApp, "property" | "site">, desc: string): number {
    return this.#run.begin(this.#scope.parent, property, desc, site);
  }
}

const NONE: ReadonlySet<number> = new Set();
