import type { HostChange } from "../model/changes";
import type { Hop } from "../model/hop";
import type { Report } from "../model/report";
import type { Cell } from "../model/rows";
import { differenceText, placeOf } from "./_changes";
import { byNumber, DefinitionOf } from "./_definition";
import { History, lastDeployments, type Touched } from "./_history";
import { type GivenHosts, hopsTo, subjectsIn } from "./_subjects";
import { on } from "./on";
import { plannedWhole, type Subject } from "./planned";
import { type Asked, asked, type Located, rowsOfEach } from "./rows";

/** Something on a host that is not as its definition says. */
export interface Drifted {
  readonly [column: string]: Cell;
  /** A path, or the name of a package, account or unit; null where only the step is known. */
  readonly what: string | null;
  /** From what is there to what the definition says, such as "mode 0600 → 0644". */
  readonly difference: string;
  /** When it was changed, as far as the host tells. */
  readonly changed: string | null;
  /**
   * Who did it: "by hand", a package that was installed or upgraded, or another deployment; "never deployed" and "the
   * definition has changed" where the host is as it was left. Null where no deployment is known.
   */
  readonly by: string | null;
  /** Who was logged in at a terminal then. */
  readonly present: readonly string[];
  /** The property, as the consfig calls it, and its line. */
  readonly property: string;
  readonly place: string;
}

/**
 * What is not, or not any more, as the definitions of hosts say, with when and by whom that was changed since the last
 * deployment, as far as the journal of the agent, the logs of dpkg and apt, and the times of files tell. Nothing is changed.
 * Hops given here replace those of the hosts. Throws `InvalidArguments` for an argument that is not a host or a hop.
 *
 * @example drift("web1.example.org")
 */
export function drift(
  hosts: GivenHosts,
  ...hops: readonly (Hop | readonly Hop[])[]
): Asked<Located<Drifted>> {
  const { subjects, chain } = subjectsIn("drift", hosts, hops, drift);
  return asked(drifted(subjects, chain));
}

async function drifted(subjects: readonly Subject[], hops: readonly Hop[]) {
  const reports = await plannedWhole(subjects, hops);
  return rowsOfEach(subjects, (subject, index) => {
    const report = reports[index] as Report;
    if (report.failure && report.steps.length === 0) throw new Error(report.failure.message);
    return driftOf(subject, report, hops);
  });
}

const NOTHING_KNOWN: Touched = { times: [], owners: [], packages: [], sessions: [] };

async function driftOf(subject: Subject, report: Report, hops: readonly Hop[]): Promise<Drifted[]> {
  const definition = new DefinitionOf(subject);
  const steps = byNumber(report);
  const parents = new Set(report.steps.map(({ parent }) => parent));
  const differing = definition
    .own(report, hops)
    .filter(({ step, plan }) => !parents.has(step) && plan && plan.answer !== "holds");
  if (differing.length === 0) return [];
  const changes = differing.flatMap((step) => {
    const told: (HostChange | undefined)[] = step.changes.filter(({ kind }) => kind !== "command");
    return (told.length > 0 ? told : [undefined]).map((change) => ({ step, change }));
  });
  const paths = [
    ...new Set(
      changes.flatMap(({ step, change }) => (change?.kind === "file" ? [placeOf(step, change)] : [])),
    ),
  ].filter((path) => path.startsWith("/"));
  const asking = on(subject.name, ...hops);
  const [deployments, times, owners, packages, sessions] = await Promise.all([
    lastDeployments(subject.name, hopsTo(subject, hops)),
    asking.touched(...paths),
    asking.owners(...paths),
    asking.packageHistory(),
    asking.sessions(),
  ]);
  const answered = [times, owners, packages, sessions].every(({ errors }) => errors.length === 0);
  const history = answered
    ? new History(deployments, { times, owners, packages, sessions } satisfies Touched)
    : new History([], NOTHING_KNOWN);
  return changes.map(({ step, change }) => {
    const { property, place } = definition.said(step, steps);
    const { plan, reason, failure } = step;
    const unknown = plan?.reason ?? failure?.message ?? reason ?? `a plan says: ${plan?.answer}`;
    const commands = step.changes.map((each) => (each.kind === "command" ? `run ${each.command}` : ""));
    return {
      what: change ? placeOf(step, change) : null,
      difference: change ? differenceText(change) : (commands.find(Boolean) ?? unknown),
      ...history.of(step, change),
      property,
      place,
    };
  });
}
