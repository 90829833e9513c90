import { definitionOf, innerOf } from "../model/application";
import { described, named } from "../model/describe";
import {
  AbortedChange,
  Cancelled,
  ConnectionFailed,
  type Expected,
  errorOf,
  expectedError,
  FailedChange,
  type Failure,
  failureOf,
  isOfClass,
} from "../model/errors";
import type { StepStatus } from "../model/events";
import type { AnyDefinition, Change, Direction, Nested, PropApp, Steps, Way } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { Applying, Outcome } from "./applying";
import { deployNested } from "./nest";
import { Tally, Walk } from "./run";
import { skipAll } from "./sequence";
import { type Acting, act } from "./slots";
import { Ways } from "./step-options";
import { StepOutput } from "./step-output";

/**
 * Applies the prepared tree `root`, then what was registered for the end, unless the root itself was broken off. Failures
 * inside are events, never thrown.
 */
export async function applyTree(root: PropApp, applying: Applying): Promise<Outcome> {
  const walk = new Walk(applying, root);
  const over = applying.strays?.((error) => walk.stray(error));
  try {
    return await applied(root, walk);
  } finally {
    over?.();
  }
}

async function applied(root: PropApp, walk: Walk): Promise<Outcome> {
  const { applying } = walk;
  const steps = StepsBelow.ofAll(walk);
  let expected: Expected | undefined;
  const outcome = await steps.attempt(root).catch((error) => {
    expected = steps.expectedAs(error);
    if (!expected) throw error;
    return expected.touched ? "failed" : "aborted";
  });
  // What was left over from an earlier deployment changes something without its property having changed.
  const change: Change =
    steps.touched || outcome === "changed" || outcome === "failed" ? "changed" : "unchanged";
  const brokenOff = outcome === "failed" || outcome === "aborted";
  for (const [key, act] of [...applying.atEnd].reverse()) {
    if (brokenOff) {
      applying.emit({
        kind: "notice",
        text: `not done at the end, as the deployment was broken off: ${key}`,
      });
      continue;
    }
    await steps
      .announced("atEnd", "at the end", "", async (target) => {
        await act(target, change);
        return "changed";
      })
      .catch(() => {});
  }
  const broken = outcome === "failed" || outcome === "aborted" ? { broken: outcome } : {};
  return { change, failed: walk.failed, cancelled: walk.cancelled, ...(expected ? { expected } : broken) };
}

/** Where steps stand. */
interface Surroundings {
  /** The step inside of which they are. */
  readonly parent: number | undefined;
  /** The target of that step, before any of the ways. */
  readonly plain: PosixTarget;
  readonly tally: Tally;
  readonly ways: Ways;
  /** For the applications given next, not for what is inside of them. */
  readonly next: Pick<Way, "desc" | "quiet">;
}

/** The steps inside of one step. */
class StepsBelow implements Acting {
  readonly #walk: Walk;
  readonly #around: Surroundings;

  constructor(walk: Walk, around: Surroundings) {
    this.#walk = walk;
    this.#around = around;
  }

  /** Those that are inside of none. */
  static ofAll(walk: Walk): StepsBelow {
    const { applying } = walk;
    const notice = (_stream: string, text: string) => applying.emit({ kind: "notice", text: text.trimEnd() });
    const plain = applying.target(notice, walk.ran(undefined));
    const ways = (applying.expected ?? []).reduce((all, expects) => all.with({ expects }), Ways.usual);
    return new StepsBelow(walk, { parent: undefined, plain, tally: new Tally(), ways, next: {} });
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
      this.skip(application, stopped, direction);
      return "aborted";
    }
    const tally = new Tally(this.#around.tally);
    try {
      return await this.#perform(application, direction, tally);
    } catch (error) {
      if (error instanceof ConnectionFailed || this.expects(error)) throw error;
      // What was aborted touched nothing, but what stood before it in the same application may have.
      return error instanceof AbortedChange && !tally.some ? "aborted" : "failed";
    }
  }

  skip(application: PropApp, reason: string, direction: Direction = "apply"): void {
    const { next } = this.#around;
    const definition = definitionOf(application.property);
    if (next.quiet) return;
    if (definition.inline && next.desc === undefined) {
      const said = this.#walk.stopped() ?? reason;
      if (definition.skip) definition.skip(application.args, this, said, direction);
      else skipAll(innerOf(application), said, direction, this);
      return;
    }
    const step = this.#begin(application, this.#descOf(application, direction));
    this.#end(step, "skipped", 0, { reason: this.#walk.stopped() ?? reason });
  }

  within({ desc, quiet, ...way }: Way): Steps {
    const { ways, next } = this.#around;
    return new StepsBelow(this.#walk, {
      ...this.#around,
      ways: ways.with(way),
      next: { ...next, ...(desc !== undefined && { desc }), ...(quiet !== undefined && { quiet }) },
    });
  }

  get touched(): boolean {
    return this.#around.tally.some;
  }

  expects(error: unknown): boolean {
    return this.#around.ways.expects(error);
  }

  /** `error` as whoever expects it is told; undefined when nobody does. */
  expectedAs(error: unknown): Expected | undefined {
    const name = this.#around.ways.expected.find((each) => isOfClass(error, each));
    if (name === undefined || !this.expects(error)) return undefined;
    const { message } = error as Error;
    return { name, message, touched: this.touched || !(error instanceof AbortedChange) };
  }

  notice(text: string): void {
    this.#walk.applying.emit({ kind: "notice", text });
  }

  async #perform(
    said: PropApp,
    direction: Direction,
    tally = new Tally(this.#around.tally),
  ): Promise<Change> {
    const { next, plain, ways } = this.#around;
    const stopped = this.#walk.stopped();
    if (stopped && this.#isAnnounced(said)) {
      this.skip(said, stopped, direction);
      throw new Cancelled(stopped);
    }
    try {
      const target = ways.targetOf(plain);
      const application = this.#walk.prepared(said, target);
      const work = (on: PosixTarget, steps: StepsBelow) => act(application, direction, on, steps);
      if (this.#isAnnounced(application))
        return await this.#announced(application, this.#descOf(application, direction), tally, work);
      return await work(target, new StepsBelow(this.#walk, { ...this.#around, tally, next: {} }));
    } catch (error) {
      if (error instanceof Cancelled || this.#walk.isShown(error)) throw error;
      // It failed by itself, not by a step inside it: then it is a step after all, or nobody would hear of it.
      return this.#announced(said, next.desc ?? named(said, direction), tally, () => Promise.reject(error));
    }
  }

  #isAnnounced({ property }: PropApp): boolean {
    const { desc, quiet } = this.#around.next;
    return !quiet && (desc !== undefined || !definitionOf(property).inline);
  }

  /** `work` as a step of its own, with its output, its time and how it ended. */
  async announced(
    property: string,
    desc: string,
    site: string,
    work: (target: PosixTarget, steps: StepsBelow) => Promise<Change>,
  ): Promise<Change> {
    const stopped = this.#walk.stopped();
    if (stopped) throw new Cancelled(stopped);
    return this.#announced({ property, site }, desc, new Tally(this.#around.tally), work);
  }

  async #announced(
    { property, site }: Pick<PropApp, "property" | "site">,
    desc: string,
    tally: Tally,
    work: (target: PosixTarget, steps: StepsBelow) => Promise<Change>,
  ): Promise<Change> {
    const { applying } = this.#walk;
    const { ways } = this.#around;
    const step = this.#begin({ property, site }, desc);
    const started = performance.now();
    const ended = () => performance.now() - started;
    const output = new StepOutput(step, (event) => applying.emit(event));
    try {
      const plain = applying.target((stream, text) => output.add(stream, text), this.#walk.ran(step));
      const inside = new StepsBelow(this.#walk, { parent: step, plain, tally, ways, next: {} });
      const change = await work(ways.targetOf(plain), inside);
      output.end();
      if (change === "changed") tally.add();
      this.#end(step, change, ended(), {});
      return change;
    } catch (error) {
      output.end();
      const known = this.#walk.isShown(error);
      this.#walk.show(error);
      if (!(error instanceof AbortedChange)) tally.add();
      if (this.expects(error)) {
        this.#end(step, "skipped", ended(), {
          reason: known ? "a step inside it was skipped" : String(error),
        });
      } else {
        this.#walk.note(error);
        const why = known ? { reason: "a step inside it failed" } : { failure: failureOf(error) };
        this.#end(step, "failed", ended(), why);
      }
      throw error;
    }
  }

  /** A deployment from here: its steps become steps inside of this one. */
  async deploy(nested: Nested): Promise<Change> {
    const { parent, tally, ways } = this.#around;
    const { expected } = ways;
    const outcome = await deployNested(
      { ...nested, ...(expected.length > 0 && { expected }) },
      this.#walk,
      parent,
    );
    if (outcome.change === "changed") tally.add();
    if (outcome.failed) this.#walk.failed = true;
    if (outcome.cancelled) throw new Cancelled(this.#walk.stopped() ?? "the deployment was stopped");
    if (outcome.failure) throw errorOf(outcome.failure);
    if (outcome.expected) {
      const error = expectedError(outcome.expected);
      this.#walk.show(error);
      throw error;
    }
    if (outcome.broken) {
      const error = new (outcome.broken === "aborted" ? AbortedChange : FailedChange)(
        "a step inside it failed",
      );
      this.#walk.show(error);
      throw error;
    }
    return outcome.change;
  }

  #descOf(application: PropApp, direction: Direction): string {
    return this.#around.next.desc ?? described(application, direction);
  }

  #begin({ property, site }: Pick<PropApp, "property" | "site">, desc: string): number {
    return this.#walk.begin(this.#around.parent, property, desc, site);
  }

  #end(step: number, status: StepStatus, ms: number, more: { reason?: string; failure?: Failure }): void {
    this.#walk.end(step, status, ms, more);
  }

  /** What is inline changes nothing itself: what is in it does. */
  async beforeChange({ inline }: AnyDefinition, checked: boolean): Promise<void> {
    if (inline) return;
    const { ways } = this.#around;
    await ways.beforeChange(
      checked,
      (outer) => new StepsBelow(this.#walk, { ...this.#around, ways: outer, next: {} }),
    );
  }
}
