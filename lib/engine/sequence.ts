import { Cancelled, ConnectionFailed } from "../model/errors";
import type { Change, Direction, PropApp, Steps } from "../model/property";

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
    try {
      if ((await steps[direction](application)) === "changed") change = "changed";
    } catch (error) {
      skipAll(applications.slice(index + 1), whyStopped(application, error, steps), direction, steps);
      throw error;
    }
  }
  return change;
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
