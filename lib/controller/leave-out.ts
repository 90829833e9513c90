import { leftOut } from "../combinators/left-out";
import { definitionOf } from "../model/application";
import { described } from "../model/describe";
import type { PropApp } from "../model/property";
import type { Report, StepReport } from "../model/report";
import { mapApplications } from "../model/schema";

/** What is left out of a deployment, and why. */
export interface LeftOut {
  /** Steps of an earlier deployment: the one that failed, then those around it, innermost first. */
  readonly path: readonly Pick<StepReport, "property" | "site" | "desc">[];
  readonly reason: string;
}

/** What has to be left out so that nothing of what failed in `report` is tried again. */
export function failedIn({ failed, steps }: Report, reason: string): LeftOut[] {
  const byNumber = new Map(steps.map((step) => [step.step, step]));
  const around = (step: StepReport): StepReport[] => {
    const outer = step.parent === undefined ? undefined : byNumber.get(step.parent);
    return outer ? [step, ...around(outer)] : [step];
  };
  return failed.map((step) => ({ path: around(step), reason }));
}

/**
 * `application` without what `left` names, which is reported as skipped in its place. What a property makes by itself
 * stands nowhere in a consfig: then the property around it that does is left out as a whole.
 */
export function leavingOut(application: PropApp, left: readonly LeftOut[]): PropApp {
  return left.reduce((whole, { path, reason }) => {
    const [found] = findSaid(whole, path);
    if (!found) return whole;
    const out = new Set(found);
    return replaced(whole, (each) => (out.has(each) ? leftOut(each, reason) : each));
  }, application);
}

/** The application in `whole` that the first step of `path` stands for; else that of the next; undefined: of none. */
export function saidBy(whole: PropApp, path: LeftOut["path"]): PropApp | undefined {
  return findSaid(whole, path)[0]?.[0];
}

/** A line that makes several applications has one site for all: then what they are called tells them apart. */
function findSaid(whole: PropApp, path: LeftOut["path"]): PropApp[][] {
  const all: PropApp[] = [];
  replaced(whole, (each) => {
    all.push(each);
    return each;
  });
  return path.flatMap(({ property, site, desc }) => {
    const there = all.filter((each) => each.property === property && each.site === site);
    const called = there.filter((each) => described(each) === desc);
    return there.length > 0 ? [called.length > 0 ? called : there] : [];
  });
}

/** `application` with each in it replaced by what `change` makes of it; what is left out already is not looked into. */
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
