import { deployPlans, plan, rehearse } from "../lib/controller/deploy";
import { readPlan, writePlan } from "../lib/controller/plan-file";
import { InvalidArguments } from "../lib/model/errors";
import { hosts } from "../lib/model/host";
import { hostsNamed } from "./commands/_host";
import type { Shell } from "./shell";

/** Exit codes of `consfig plan` and `consfig rehearse`. */
const PLAN_EXIT = { unchanged: 0, failed: 1, changes: 3 } as const;

/**
 * Plans the hosts called `names`, as `deployHosts` takes them, or all that have hops. Returns the exit code: 0 when nothing would change, 3 when
 * something would or may, 1 when something would fail or a host cannot be asked. `out`: the file for the plan. `rehearses`:
 * they are rehearsed instead, where that is possible.
 */
export async function planHosts(
  names: readonly string[],
  shell: Shell,
  out?: string,
  rehearses = false,
): Promise<number> {
  const chosen = names.length > 0 ? hostsNamed(names, shell) : hosts.values().filter(({ deploy }) => deploy);
  if (chosen.length === 0) throw new InvalidArguments("no host has hops; add { deploy: […] } to its defhost");
  const report = await (rehearses ? rehearse(chosen) : plan(chosen));
  await shell.settled();
  shell.reports = report.reports;
  if (out !== undefined) shell.print(writtenNote(out, writePlan(out, report), chosen.length));
  if (!report.reports.every(({ ok, rehearsal }) => rehearsal?.ok ?? ok)) return PLAN_EXIT.failed;
  const isSettled = report.reports.every(({ status }) => status === "unchanged");
  return isSettled ? PLAN_EXIT.unchanged : PLAN_EXIT.changes;
}

function writtenNote(file: string, written: number, planned: number): string {
  const missing = planned - written;
  const left =
    missing > 0 ? `; ${missing} could not be planned and ${missing === 1 ? "is" : "are"} not in it` : "";
  return `${file}: the plan of ${written} ${written === 1 ? "host" : "hosts"}${left}`;
}

/** Does what the plan in `file` says. False if a host failed, or was not as planned. */
export async function applyPlan(file: string, strict: boolean, shell: Shell): Promise<boolean> {
  const report = await deployPlans(readPlan(file), { strict });
  await shell.settled();
  shell.reports = report.reports;
  return report.ok;
}
