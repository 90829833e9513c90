import { definitionOf } from "../model/application";
import { AbortedChange, asError, FailedChange } from "../model/errors";
import {
  type AnyDefinition,
  type Change,
  type Direction,
  type Nested,
  type PropApp,
  type Steps,
  valueAsCode,
} from "../model/property";
import type { PosixTarget } from "../model/target";
import { untilFailure } from "./sequence";

/** The steps inside of the application that is acted on, and what only the engine does with them. */
export interface SlotSteps extends Steps {
  /** Something may be changed now; `checked` tells whether a `check` has said so. */
  beforeChange(definition: AnyDefinition, checked: boolean): Promise<void>;
  deploy(nested: Nested): Promise<Change>;
}

/** Applies or unapplies one application, as the property's slots say. What they throw is thrown as an error. */
export async function applySlots(
  application: PropApp,
  direction: Direction,
  target: PosixTarget,
  steps: SlotSteps,
): Promise<Change> {
  try {
    return await throughSlots(application, direction, target, steps);
  } catch (error) {
    throw asError(error);
  }
}

async function throughSlots(
  { args, parts, nested, property }: PropApp,
  direction: Direction,
  target: PosixTarget,
  steps: SlotSteps,
): Promise<Change> {
  const definition = definitionOf(property);
  const slots = definition as Slots;
  const acts = slots.apply ?? slots.unapply ?? nested ?? parts;
  if (direction === "unapply" && !acts) return "unchanged";
  const holds = slots.check && answered(await slots.check(args, target), property, "check", [true, false]);
  if (holds === (direction === "apply")) return "unchanged";
  const slot = slots[direction];
  if (slot || (nested && direction === "apply")) await steps.beforeChange(definition, holds !== undefined);
  if (slot) return answered(await slot(args, target, steps), property, direction, ["changed", "unchanged"]);
  if (nested && direction === "apply") return steps.deploy(nested);
  if (parts && !nested)
    return untilFailure(direction === "apply" ? parts : parts.toReversed(), direction, steps);
  if (direction === "unapply") throw new FailedChange(`${property} cannot be unapplied`);
  if (slots.hostattrs) return "unchanged";
  throw new AbortedChange(`${property} has nothing to apply; is the file that defines it complete?`);
}

/** `answer`, if it is one of those allowed: types are not looked at before a deployment. */
function answered<T>(answer: T, property: string, slot: string, allowed: readonly T[]): T {
  if (allowed.includes(answer)) return answer;
  throw new TypeError(
    `${slot} of ${property} came to ${valueAsCode(answer)}; it must be ${allowed.map((each) => JSON.stringify(each)).join(" or ")}`,
  );
}

/** The slots as they are called here: a target of the right kind has been seen to before. */
type Slots = {
  readonly hostattrs?: unknown;
  readonly check?: (args: unknown, target: PosixTarget) => Promise<boolean>;
  readonly apply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
  readonly unapply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
};
