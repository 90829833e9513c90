import type { Hop } from "../model/hop";
import type { Cell } from "../model/rows";
import { byNumber, DefinitionOf, type Said } from "./_definition";
import { type GivenHosts, subjectsIn } from "./_subjects";
import { on } from "./on";
import { plannedWhole, type Subject } from "./planned";
import { type Asked, asked, type Located, rowsOfEach } from "./rows";

/** Something to which a file, unit, package or account belongs. */
export interface Owner {
  readonly [column: string]: Cell;
  /** A property, as the consfig calls it, or a package. */
  readonly owner: string;
  /** The line of the consfig, as `file:line:column`; null for a package. */
  readonly place: string | null;
  /** What the property does there, where it is made of others. */
  readonly step: string | null;
  /** What a plan says of it now, such as "holds" or "would change"; null where nothing was planned. */
  readonly now: string | null;
}

/**
 * To which properties of the definition of each host `what` belongs, with their lines in the consfig, and to which package of
 * the host. A file, by its absolute path: every property that looks at it, as a plan of the host finds out. Anything else,
 * such as a unit, package, account or group: every property that names it; no host is asked then. Hops given here replace
 * those of the hosts. Throws `InvalidArguments` for an argument that is not a host or a hop.
 *
 * @example whose("web1.example.org", "/etc/nginx/nginx.conf")
 */
export function whose(
  hosts: GivenHosts,
  what: string,
  ...hops: readonly (Hop | readonly Hop[])[]
): Asked<Located<Owner>> {
  const { subjects, chain } = subjectsIn("whose", hosts, hops, whose);
  const path = what.startsWith("/") ? what.replace(/(?<=.)\/+$/, "") : undefined;
  return asked(path === undefined ? named(subjects, what, chain) : ofFile(subjects, path, chain));
}

async function named(subjects: readonly Subject[], what: string, hops: readonly Hop[]) {
  return rowsOfEach(subjects, (subject) =>
    withoutRepeated(new DefinitionOf(subject).naming(namesOf(what), hops).map((said) => ownerOf(said, null))),
  );
}

/** A service is named with or without the end of its unit. */
const namesOf = (what: string): readonly string[] =>
  what.endsWith(".service") ? [what, what.slice(0, -".service".length)] : [what, `${what}.service`];

async function ofFile(subjects: readonly Subject[], path: string, hops: readonly Hop[]) {
  const [reports, packages] = await Promise.all([
    plannedWhole(subjects, hops),
    on(
      subjects.map((each) => ("applications" in each ? each : each.name)),
      ...hops,
    ).owners(path),
  ]);
  return rowsOfEach(
    subjects,
    (subject, index) => {
      const report = reports[index];
      if (!report || report.steps.length === 0)
        throw new Error(report?.failure?.message ?? "nothing was planned");
      const definition = new DefinitionOf(subject);
      const all = byNumber(report);
      return withoutRepeated([
        ...definition
          .own(report, hops)
          .filter(({ plan }) => plan?.paths?.includes(path))
          .map((step) => ownerOf(definition.said(step, all), step.plan?.answer ?? null)),
        ...definition.naming([path], hops).map((said) => ownerOf(said, null)),
        ...packages
          .filter(({ host }) => host === subject.name)
          .map((each) => ({ owner: `package ${each.package}`, place: null, step: null, now: null })),
      ]);
    },
    packages.errors,
  );
}

const ownerOf = ({ property, place, step }: Said, now: string | null): Owner => ({
  owner: property,
  place,
  step,
  now,
});

/** Of each application the first: the others are inside it, or know less. */
function withoutRepeated(owners: readonly Owner[]): Owner[] {
  const seen = new Set<string>();
  return owners.filter(({ owner, place }) => {
    const key = `${place} ${owner}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}
