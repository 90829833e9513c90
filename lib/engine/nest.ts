import { AbortedChange, ConnectionFailed } from "../model/errors";
import type { StepEvent } from "../model/events";
import type { JobOutcome } from "../model/job";
import type { Nested } from "../model/property";
import type { Walk } from "./run";

/** Makes the deployment `nested` from where `walk` is; its steps become steps inside of the step `parent`. */
export async function deployNested(
  nested: Nested,
  walk: Walk,
  parent: number | undefined,
): Promise<JobOutcome> {
  const { applying } = walk;
  if (!applying.nest) throw new AbortedChange("no deployment can be made from here");
  const numbers = new Map<number, number>();
  const embed = (event: StepEvent) => {
    if (event.kind === "step-started") {
      const step = walk.nextStep();
      numbers.set(event.step, step);
      const around = event.parent === undefined ? parent : numbers.get(event.parent);
      const { parent: _theirs, ...rest } = event;
      applying.emit({ ...rest, step, ...(around !== undefined && { parent: around }) });
    } else if (event.kind === "command-ran") {
      const { step: theirs, ...rest } = event;
      const step = theirs === undefined ? parent : numbers.get(theirs);
      applying.emit({ ...rest, ...(step !== undefined && { step }) });
    } else if ("step" in event) {
      applying.emit({ ...event, step: numbers.get(event.step) ?? 0 });
    } else {
      applying.emit(event);
    }
  };
  try {
    return await applying.nest(nested, embed);
  } catch (error) {
    // That a further host cannot be reached is the failure of one step: we ourselves are still where we were.
    throw error instanceof ConnectionFailed ? new AbortedChange(error.message, { cause: error }) : error;
  }
}
