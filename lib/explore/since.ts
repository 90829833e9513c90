import { inspect } from "node:util";
import type { JournalledDeployment } from "../controller/journals";
import { refuseArguments } from "../model/errors";
import { type Hop, isHop } from "../model/hop";
import { hosts as definedHosts } from "../model/host";
import type { Report } from "../model/report";
import type { Cell } from "../model/rows";
import { placeOf } from "./_changes";
import { DefinitionOf } from "./_definition";
import { eventText, lastDeployments, NEAR_S, type PackageEvent } from "./_history";
import { type Moment, momentIn } from "./_moment";
import { type GivenHosts, hopsTo, subjectsIn } from "./_subjects";
import { on } from "./on";
import { plannedWhole, type Subject } from "./planned";
import { type Asked, asked, type Located, rowsOfEach } from "./rows";

export type { Moment };

/** Something that has changed on a host. */
export interface Happened {
  readonly [column: string]: Cell;
  readonly when: string;
  readonly kind: "package" | "file" | "deployment" | "session" | "boot";
  /** The name of a package or account, a path, or the host. */
  readonly what: string;
  /** Such as "upgrade 1.0 → 1.1" or "touched". */
  readonly change: string;
  /** Who or what did it, as far as the host tells. */
  readonly by: string | null;
}

type Hops = readonly (Hop | readonly Hop[])[];

/**
 * What has changed on hosts since a time, newest first: packages, files that the properties of the definition look at,
 * deployments, logins and boots. `moment`: a `Date`, text as ISO 8601, or how long ago, such as "2 h" or "3 days"; default: the
 * end of the last deployment of each host that its journal has. Nothing is changed. Hops given here replace those of the
 * hosts. Throws `InvalidArguments` for what is no host, time or hop, and for a time that is still to come.
 *
 * @example since("web1.example.org", "3 days")
 */
export function since(hosts: GivenHosts, moment?: Moment, ...hops: Hops): Asked<Located<Happened>>;
export function since(hosts: GivenHosts, ...hops: Hops): Asked<Located<Happened>>;
export function since(
  hosts: GivenHosts,
  ...given: readonly (Moment | undefined | Hop | readonly Hop[])[]
): Asked<Located<Happened>> {
  const [first] = given;
  const isMoment = first !== undefined && !isHop(first) && !Array.isArray(first);
  const rest = (isMoment || first === undefined ? given.slice(1) : given) as Hops;
  const { subjects, chain } = subjectsIn("since", hosts, rest, since);
  const from = isMoment ? momentIn(first) : undefined;
  refuseArguments(
    "since",
    isMoment && from === undefined
      ? [
          `${inspect(first)} is no time; say a Date, a time such as "2026-01-31 12:00", or how long ago: "90 min", "2 h", "3 days"`,
        ]
      : from !== undefined && from > Date.now()
        ? [`${new Date(from).toISOString()} is still to come`]
        : [],
    since,
  );
  return asked(rowsOfEach(subjects, (subject) => sinceOn(subject, from, chain)));
}

async function sinceOn(
  subject: Subject,
  from: number | undefined,
  hops: readonly Hop[],
): Promise<Happened[]> {
  const asking = on("applications" in subject ? subject : subject.name, ...hops);
  const [paths, packages, sessions, boots] = await Promise.all([
    managedPaths(subject, hops),
    asking.packageHistory(),
    asking.sessions(),
    asking.reboots(),
  ]);
  const [deployments, times, owners] = await Promise.all([
    lastDeployments(subject.name, hopsTo(subject, hops)),
    asking.touched(...paths),
    asking.owners(...paths),
  ]);
  const [failed] = [packages, sessions, boots, times, owners].flatMap(({ errors }) => errors);
  if (failed) throw new Error(failed.message);
  const start = from ?? endOfLast(deployments, subject.name);
  const upgraded = packages.filter(({ when }) => Date.parse(when) >= start);
  const rows: Happened[] = [
    ...upgraded.map((event) => packageRow(event)),
    ...times
      .filter(({ type }) => type !== "directory")
      .map(({ path, touched }): Happened => {
        const owner = owners.find((each) => each.path === path)?.package;
        return {
          when: touched,
          kind: "file",
          what: path,
          change: "touched",
          by: whoTouched(path, Date.parse(touched), owner, upgraded, deployments),
        };
      }),
    ...deployments.map((each) => deploymentRow(subject.name, each)),
    ...sessions.map(({ user, terminal, from: place, since: when, until }) => ({
      when,
      kind: "session" as const,
      what: user,
      change: `logged in at ${terminal}${place === null ? "" : ` from ${place}`}${until === null ? "" : `, until ${until}`}`,
      by: user,
    })),
    ...boots.map(({ when, kernel }, index) => ({
      when,
      kind: "boot" as const,
      what: subject.name,
      change: `booted${kernel === null ? "" : ` Linux ${kernel}`}${boots[index + 1]?.ended === "not cleanly" ? ", after it had not ended cleanly" : ""}`,
      by: null,
    })),
  ];
  return rows
    .filter(({ when }) => Date.parse(when) >= start)
    .sort((one, other) => (one.when < other.when ? 1 : one.when > other.when ? -1 : 0));
}

/** The kernel's, and where managers of packages keep what is installed, which the packages themselves tell. */
const UNMANAGED = /^\/(proc|sys|dev|run|var\/lib\/(dpkg|apt)|lib\/apk|var\/db\/pkg)\//;

/** The files that the properties of the definition look at, as a plan of the host finds out; none of a host that is not defined. */
async function managedPaths(subject: Subject, hops: readonly Hop[]): Promise<string[]> {
  const defined = "applications" in subject ? subject : definedHosts.get(subject.name);
  if (!defined) return [];
  const [report] = (await plannedWhole([subject], hops)) as readonly [Report];
  if (report.failure && report.steps.length === 0) throw new Error(report.failure.message);
  const steps = new DefinitionOf(subject).own(report, hops);
  return [...new Set(steps.flatMap(({ plan }) => plan?.paths ?? []))].filter(
    (path) => path.startsWith("/") && !UNMANAGED.test(path),
  );
}

function endOfLast(deployments: readonly JournalledDeployment[], host: string): number {
  const last = deployments.find(({ over }) => over);
  if (!last)
    throw new Error(
      `no deployment of ${host} is in the journal of an agent; say since when, such as since(${JSON.stringify(host)}, "2 h")`,
    );
  return endOf(last);
}

const endOf = ({ at, report }: JournalledDeployment): number => Date.parse(at) + report.ms;

const packageRow = (event: PackageEvent): Happened => ({
  when: event.when,
  kind: "package",
  what: event.name,
  change: `${event.action} ${[event.from, event.to].filter(Boolean).join(" → ")}`.trim(),
  by: [event.command, event.by && `asked for by ${event.by}`].filter(Boolean).join(", ") || null,
});

function deploymentRow(host: string, { at, by, over, report }: JournalledDeployment): Happened {
  const changed = report.steps.filter(
    ({ status, parent }) => status === "changed" && parent === undefined,
  ).length;
  return {
    when: at,
    kind: "deployment",
    what: host,
    change: over
      ? `deployed: ${report.status}${changed > 0 ? `, ${changed} changed` : ""}`
      : "deployed: no end is known",
    by,
  };
}

/** Who has touched `path` at `moment`, which has whole seconds. */
function whoTouched(
  path: string,
  moment: number,
  owner: string | undefined,
  packages: readonly PackageEvent[],
  deployments: readonly JournalledDeployment[],
): string {
  const deployed = deployments.find(
    (each) =>
      moment >= Math.floor(Date.parse(each.at) / 1000) * 1000 &&
      moment <= endOf(each) &&
      each.report.steps.some((step) =>
        step.changes.some((change) => change.kind !== "command" && placeOf(step, change) === path),
      ),
  );
  if (deployed) return `deployed by ${deployed.by} at ${deployed.at}`;
  const event = packages.findLast(
    ({ name, when }) => name === owner && Math.abs(Date.parse(when) - moment) < NEAR_S * 1000,
  );
  return event ? eventText(event) : "by hand";
}
