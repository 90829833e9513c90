import { leftOut } from "../combinators/left-out";
import { definitionOf } from "../model/application";
import { described } from "../model/describe";
import type { PropApp } from "../model/property";
import type { Report, StepReport } from "../model/report";
import { mapApplications } from "../model/schema";

/** An application left out of a deployment, and the reason. */
export interface LeftOut {
  /** The failed step of an earlier deployment, then the steps around it, innermost first. */
  readonly path: readonly Pick<StepReport, "property" | "site" | "desc">[];
  readonly reason: string;
}

/** The applications to leave out so that no failed step of `report` is tried again. */
export function failedIn({ failed, steps }: Report, reason: string): LeftOut[] {
  const byNumber = new Map(steps.map((step) => [step.step, step]));
  const around = (step: StepReport): StepReport[] => {
    const outer = step.parent === undefined ? undefined : byNumber.get(step.parent);
    return outer ? [step, ...around(outer)] : [step];
  };
  return failed.map((step) => ({ path: around(step), reason }));
}

/**
 * `application` with everything in `left` replaced by skipped steps. An application that a property makes itself is not
 * in the consfig: the property around it that is in the consfig is left out as a whole.
 */
export function leavingOut(application: PropApp, left: readonly LeftOut[]): PropApp {
  return left.reduce((whole, { path, reason }) => {
    const [found] = findWritten(whole, path);
    if (!found) return whole;
    const out = new Set(found);
    return replaced(whole, (each) => (out.has(each) ? leftOut(each, reason) : each));
  }, application);
}

/** The application in `whole` for the first step of `path` that has one; undefined when none has. */
export function saidBy(whole: PropApp, path: LeftOut["path"]): PropApp | undefined {
  return findWritten(whole, path)[0]?.[0];
}

/** For each step of `path` its applications in `whole`. Those made by the same line are told apart by description. */
function findWritten(whole: PropApp, path: LeftOut["path"]): PropApp[][] {
  const all: PropApp[] = [];
  replaced(whole, (each) => {
    all.push(each);
    return each;
  });
  return path.flatMap(({ property, site, desc }) => {
    const sameSite = all.filter((each) => each.property === property && each.site === site);
    const sameDesc = sameSite.filter((each) => described(each) === desc);
    return sameSite.length > 0 ? [sameDesc.length > 0 ? sameDesc : sameSite] : [];
  });
}

/** `application` with each application in it replaced by the result of `change`, except inside those left out already. */
function replaced(application: PropApp, change: (application: PropApp) => PropApp): PropApp {
  const made = change(application);
  if (made !== application || application.property === leftOut.definition.name) return made;
  const { property, args, site } = application;
  let touched = false;
  const inner = mapApplications(definitionOf(property).args, args, (each) => {
    const other = replaced(each, change);
    touched ||= other !== each;
    return other;
  });
  return touched ? { property, args: inner, site } : application;
}
