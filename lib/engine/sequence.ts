import { Cancelled, ConnectionFailed } from "../model/errors";
import type { Change, Direction, PropApp, Steps } from "../model/property";

/** In order; a failure is passed over, and counts as a change unless nothing was touched. */
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

/** In order, up to the first failure; what stands after that is said to be skipped. */
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

/** Says of each of `applications` that it is passed over. */
export function skipAll(
  applications: readonly PropApp[],
  reason: string,
  direction: Direction,
  steps: Pick<Steps, "skip">,
): void {
  for (const each of applications) steps.skip(each, reason, direction);
}

/** Why what stands after `application` is not tried, when that ended with `error`. */
export function whyStopped({ property }: PropApp, error: unknown, steps: Pick<Steps, "expects">): string {
  if (error instanceof Cancelled) return error.message;
  if (error instanceof ConnectionFailed) return "the connection was lost";
  if (steps.expects(error)) return `${property}: ${String(error)}`;
  return `${property} failed`;
}
