import { definitionOf } from "../model/application";
import { Cancelled, ConnectionFailed } from "../model/errors";
import type { Change, Direction, PropApp, StepOptions, Steps } from "../model/property";
import type { PosixTarget } from "../model/target";

/**
 * Applies or unapplies each of `applications` in order; a failure does not stop the rest. Resolves to "changed" when one
 * changed something, or failed after it may have.
 */
export async function despiteFailures(
  applications: readonly PropApp[],
  direction: Direction,
  steps: Steps,
): Promise<Change> {
  let change: Change = "unchanged";
  for (const [index, application] of applications.entries()) {
    if (isDone(index, steps)) continue;
    try {
      const outcome = await steps.attempt(application, direction);
      if (outcome === "changed" || outcome === "failed") change = "changed";
    } catch (error) {
      skipAll(applications.slice(index + 1), whyStopped(application, error, steps), direction, steps);
      throw error;
    }
  }
  return change;
}

/**
 * Applies or unapplies each of `applications` in order, up to the first failure, which is thrown; the rest are reported as
 * skipped. Resolves to "changed" when one changed something.
 */
export async function untilFailure(
  applications: readonly PropApp[],
  direction: Direction,
  steps: Steps,
): Promise<Change> {
  let change: Change = "unchanged";
  for (const [index, application] of applications.entries()) {
    if (isDone(index, steps)) continue;
    try {
      if ((await steps[direction](application)) === "changed") change = "changed";
    } catch (error) {
      skipAll(applications.slice(index + 1), whyStopped(application, error, steps), direction, steps);
      throw error;
    }
  }
  return change;
}

/** The steps of the engine, which know where in a sequence they are. */
export interface Positioned {
  /** Call before the application with this index is applied. False: that was done before this process took over. */
  reach(index: number): boolean;
}

const isDone = (index: number, steps: Steps): boolean =>
  (steps as Partial<Positioned>).reach?.(index) === false;

type Applications = { readonly applications: readonly PropApp[] };

/** The slots of a property that applies `applications` in order, and does nothing else: an agent can take over in it. */
export function sequenceSlots(each: typeof untilFailure, options: StepOptions = {}) {
  const apply = ({ applications }: Applications, _target: PosixTarget, steps: Steps) =>
    each(applications, "apply", steps.within(options));
  const unapply = ({ applications }: Applications, _target: PosixTarget, steps: Steps) =>
    each(applications.toReversed(), "unapply", steps.within(options));
  sequences.add(apply);
  return { apply, unapply };
}

const sequences = new WeakSet<object>();

/** Whether nothing but the applications inside `application` is done by it, in order. */
export function isSequence({ property, parts, nested }: PropApp): boolean {
  const { apply, check, verify } = definitionOf(property);
  if (apply) return sequences.has(apply);
  return parts !== undefined && !nested && !check && !verify;
}

/** Reports each of `applications` as skipped. */
export function skipAll(
  applications: readonly PropApp[],
  reason: string,
  direction: Direction,
  steps: Pick<Steps, "skip">,
): void {
  for (const each of applications) steps.skip(each, reason, direction);
}

/** The reason for skipping the applications after `application`, which ended with `error`. */
export function whyStopped({ property }: PropApp, error: unknown, steps: Pick<Steps, "expects">): string {
  if (error instanceof Cancelled) return error.message;
  if (error instanceof ConnectionFailed) return "the connection was lost";
  if (steps.expects(error)) return `${property}: ${String(error)}`;
  return `${property} failed`;
}
