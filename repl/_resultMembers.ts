import { Deployment } from "../lib/controller/deployment";
import { FORWARDED } from "../lib/explore/rows";
import { tables } from "../lib/index";
import type { FleetReport, Report } from "../lib/model/report";
import { memberNames } from "./_members";
import { readInput } from "./_openings";

/** Functions that return a deployment. */
const DEPLOYS = /^(deploy|deployThese|deployPosix|plan|rehearse)$/;

const REPORT: string[] = [
  ...([
    "host",
    "deployment",
    "ok",
    "plan",
    "rehearsal",
    "status",
    "steps",
    "changed",
    "failed",
    "skipped",
  ] as const),
  ...(["commands", "failure", "ms"] as const),
] satisfies (keyof Report)[];

const FLEET_REPORT: string[] = ["reports", "ok", "changed", "failed", "ms"] satisfies (keyof FleetReport)[];

/** Of `on(…)`. */
const ASKING = [...memberNames(tables), "ask", "run"].sort();

/**
 * The members that come after the dot at the end of `input`, which follows a call that has not been made: of
 * `deploy(…).`, and of its report in `(await deploy(…)).`; of `on(…).`, and of its rows.
 */
export function resultMembers(input: string): string[] {
  const expression = input.replace(/\s*\??\.\s*$/, "");
  const { closed } = readInput(expression);
  if (closed?.bracket !== "(") return [];
  if (DEPLOYS.test(closed.callee)) return memberNames(Deployment.prototype);
  if (closed.callee === "on") return ASKING;
  if (ASKING.includes(closed.callee) && /\bon\s*\(.*\)\s*\.\s*\w+$/s.test(expression.slice(0, closed.start)))
    return [...FORWARDED];
  const [, callee = "", fleet] =
    /^\s*await\s+(\w+)\s*\(\s*(\[)?/.exec(closed.callee === "" ? expression.slice(closed.start + 1) : "") ??
    [];
  if (!DEPLOYS.test(callee)) return [];
  return fleet ? FLEET_REPORT : REPORT;
}
