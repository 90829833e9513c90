import { Cancelled } from "./errors";
import type { Change, Direction, PropApp, Steps } from "./property";

/** In order; a failure is passed over, and counts as a change unless nothing was touched. */
export async function tolerantly(
  applications: readonly PropApp[],
  direction: Direction,
  steps: Steps,
): Promise<Change> {
  let change: Change = "unchanged";
  for (const application of applications) {
    const outcome = await steps.attempt(application, direction);
    if (outcome === "changed" || outcome === "failed") change = "changed";
  }
  return change;
}

/** In order, up to the first failure; what stands after that is said to be skipped. */
export async function strictly(
  applications: readonly PropApp[],
  direction: Direction,
  steps: Steps,
): Promise<Change> {
  let change: Change = "unchanged";
  for (const [index, application] of applications.entries()) {
    try {
      if ((await steps[direction](application)) === "changed") change = "changed";
    } catch (error) {
      const reason = error instanceof Cancelled ? error.message : `${application.property} failed`;
      for (const left of applications.slice(index + 1)) steps.skip(left, reason);
      throw error;
    }
  }
  return change;
}
