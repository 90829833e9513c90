import { definitionOf } from "../model/application";
import { AbortedChange, asError, FailedChange, UnrequiredData } from "../model/errors";
import { type Findings, PlanEnds, stopsPlan } from "../model/plan";
import {
  type AnyDefinition,
  type Change,
  type Direction,
  type Nested,
  type PropApp,
  type Steps,
  valueAsCode,
} from "../model/property";
import { checkedRows, type Row } from "../model/rows";
import type { PosixTarget } from "../model/target";
import { untilFailure } from "./sequence";

/** The steps inside one application, with operations for the engine only. */
export interface SlotSteps extends Steps {
  /** Call before anything may be changed; `checked` is true when a `check` has returned false. */
  beforeChange(definition: AnyDefinition, checked: boolean): Promise<void>;
  deploy(nested: Nested): Promise<Change>;
  /** Reports the rows of a table. */
  report(rows: readonly Row[]): void;
  /** Only in a plan: where to note what is found out about the step. */
  readonly findings: Findings | undefined;
}

/** Applies or unapplies one application with its property's slots. Non-errors that they throw are converted to errors. */
export async function applySlots(
  application: PropApp,
  direction: Direction,
  target: PosixTarget,
  steps: SlotSteps,
): Promise<Change> {
  try {
    return await runSlots(application, direction, target, steps);
  } catch (error) {
    throw asError(error);
  }
}

async function runSlots(
  application: PropApp,
  direction: Direction,
  target: PosixTarget,
  steps: SlotSteps,
): Promise<Change> {
  const { parts, nested, property } = application;
  const slots = definitionOf(property) as Slots;
  if (slots.rows) return askTable(application, slots.rows, target, steps);
  const acts = slots.apply ?? slots.unapply ?? nested ?? parts;
  if (direction === "unapply" && !acts) return "unchanged";
  const { findings } = steps;
  if (findings && acts) refuseToPlanBlindly(application, slots, target, findings);
  const holds = await checked(application, slots, target, findings, direction);
  if (holds === (direction === "apply")) return "unchanged";
  // What it still asks can only say how it changes what its check has found: afterwards that must be true.
  if (findings?.certain && holds === false && !slots.verify) findings.acts = true;
  if (findings && definitionOf(property).kind === "agent" && (slots.apply ?? slots.unapply)) {
    findings.open = true;
    throw new PlanEnds(`what ${property} does is not known`);
  }
  const change = await act(application, direction, target, steps, holds !== undefined);
  const isDone = direction === "apply" && (slots.apply ?? nested ?? parts) && !findings;
  if (isDone && (holds === false || change === "changed")) await confirm(application, slots, target);
  return change;
}

async function askTable(
  { args, property }: PropApp,
  rows: NonNullable<Slots["rows"]>,
  target: PosixTarget,
  steps: SlotSteps,
): Promise<Change> {
  if (!steps.findings)
    throw new AbortedChange(
      `${property} is a table, which makes nothing hold; ask it: on(host).ask(${property}(…))`,
    );
  steps.report(checkedRows(property, await rows(args, target)));
  return "unchanged";
}

/**
 * The answer of the property's `check`; undefined when it has none, and when it needs data to which what is unapplied has no
 * claim.
 */
async function checked(
  { args, property }: PropApp,
  { check }: Slots,
  target: PosixTarget,
  findings?: Findings,
  direction: Direction = "apply",
): Promise<boolean | undefined> {
  try {
    return check && validated(await check(args, target), property, "check", [true, false]);
  } catch (error) {
    if (direction === "unapply" && error instanceof UnrequiredData) return undefined;
    if (findings && stopsPlan(error))
      findings.unknown ??= `its check acts: let ${property} use target.query instead of target.run there`;
    throw error;
  }
}

/** A property that uses Node itself cannot be watched, so its slots are not called without need. */
function refuseToPlanBlindly(
  { property }: PropApp,
  slots: Slots,
  target: PosixTarget,
  findings: Findings,
): void {
  if (definitionOf(property).kind !== "agent") return;
  if (target.kind !== "agent") findings.unknown ??= "it can only be asked through an agent";
  else if (!slots.check && (slots.apply ?? slots.unapply))
    findings.unknown ??= "it uses Node on the host, and has no check";
  if (findings.unknown !== undefined) throw new PlanEnds(findings.unknown);
}

async function act(
  { args, parts, nested, property }: PropApp,
  direction: Direction,
  target: PosixTarget,
  steps: SlotSteps,
  hasCheck: boolean,
): Promise<Change> {
  const definition = definitionOf(property);
  const slots = definition as Slots;
  const slot = slots[direction];
  if (slot || (nested && direction === "apply")) await steps.beforeChange(definition, hasCheck);
  if (slot) return validated(await slot(args, target, steps), property, direction, ["changed", "unchanged"]);
  if (nested && direction === "apply") return steps.deploy(nested);
  if (parts && !nested)
    return untilFailure(direction === "apply" ? parts : parts.toReversed(), direction, steps);
  if (direction === "unapply") throw new FailedChange(`${property} cannot be unapplied`);
  if (slots.hostattrs) return "unchanged";
  throw new AbortedChange(`${property} has nothing to apply; is the file that defines it complete?`);
}

/** Throws when the property does not hold after `apply`: an exit code 0 is no proof that it does. */
async function confirm(application: PropApp, slots: Slots, target: PosixTarget): Promise<void> {
  const { args, property } = application;
  let problem: unknown;
  if (slots.verify) problem = await slots.verify(args, target);
  else if ((await checked(application, slots, target)) === false)
    problem = `the check of ${property} still returns false`;
  if (problem === undefined) return;
  if (typeof problem === "string" && problem !== "")
    throw new FailedChange(`applied without an error, but it does not hold: ${problem}`);
  throw new TypeError(
    `verify of ${property} returned ${valueAsCode(problem)}; it must return undefined, or what was seen as text`,
  );
}

/** `result`, if it is allowed. Types are not checked before a deployment, so a slot may return anything. */
function validated<T>(result: T, property: string, slot: string, allowed: readonly T[]): T {
  if (allowed.includes(result)) return result;
  throw new TypeError(
    `${slot} of ${property} returned ${valueAsCode(result)}; it must return ${allowed.map((each) => JSON.stringify(each)).join(" or ")}`,
  );
}

/** The slots as they are called here: the kind of the target has been checked before. */
type Slots = {
  readonly hostattrs?: unknown;
  readonly check?: (args: unknown, target: PosixTarget) => Promise<boolean>;
  readonly verify?: (args: unknown, target: PosixTarget) => Promise<string | undefined>;
  readonly rows?: (args: unknown, target: PosixTarget) => Promise<readonly Row[]>;
  readonly apply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
  readonly unapply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
};
