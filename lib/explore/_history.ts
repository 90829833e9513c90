import { type JournalledDeployment, recordedDeployments } from "../controller/journals";
import type { HostChange } from "../model/changes";
import type { Hop } from "../model/hop";
import type { StepReport } from "../model/report";
import { placeOf } from "./_changes";

/** How many deployments are looked through. */
const MOST_DEPLOYMENTS = 50;

/** The deployments that the host has a journal of, newest first, without the questions that are asked meanwhile. */
export const lastDeployments = async (
  host: string,
  hops: readonly Hop[],
): Promise<readonly JournalledDeployment[]> =>
  (await recordedDeployments(host, hops, MOST_DEPLOYMENTS)).filter(({ plan }) => !plan);

/** What a host tells of the past. */
export interface Touched {
  readonly times: readonly { readonly path: string; readonly touched: string }[];
  readonly owners: readonly { readonly path: string; readonly package: string }[];
  readonly packages: readonly PackageEvent[];
  readonly sessions: readonly {
    readonly user: string;
    readonly since: string;
    readonly until: string | null;
  }[];
}

export interface PackageEvent {
  readonly when: string;
  readonly name: string;
  readonly action: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly command: string | null;
  readonly by: string | null;
}

export interface Cause {
  readonly changed: string | null;
  readonly by: string | null;
  readonly present: readonly string[];
}

/** Who has changed what, and when. */
export class History {
  constructor(
    private readonly deployments: readonly JournalledDeployment[],
    private readonly host: Touched,
  ) {}

  /** Of `change`, which `step` would make. */
  of(step: StepReport, change: HostChange | undefined): Cause {
    const last = this.#lastWith(step);
    const held = last && seconds(last.at) + last.report.ms / 1000;
    const name = change && placeOf(step, change);
    const event = change?.kind === "package" ? this.#packageEvent(change.name, held) : undefined;
    const touched =
      change?.kind === "file" ? this.host.times.find(({ path }) => path === name)?.touched : event?.when;
    const changed = touched ?? null;
    const present = changed === null ? [] : this.#presentAt(changed);
    const by = (text: string | null): Cause => ({ changed, by: text, present });
    if (this.deployments.length === 0) return by(event ? eventText(event) : null);
    if (!last || held === undefined) return by("never deployed");
    const other = name === undefined ? undefined : this.#deployedAfter(last, name);
    if (other !== undefined) return by(other);
    if (event) return by(eventText(event));
    if (changed !== null && seconds(changed) <= Math.floor(held)) return by("the definition has changed");
    const owner = this.host.owners.find(({ path }) => path === name)?.package;
    const upgrade = owner === undefined ? undefined : this.#packageEvent(owner, held);
    if (upgrade && changed !== null && Math.abs(seconds(changed) - seconds(upgrade.when)) < NEAR_S)
      return by(eventText(upgrade));
    return by("by hand");
  }

  /** The newest deployment after which `step` held: said in the same line, or, where it has moved, in the same words. */
  #lastWith({ property, desc, site }: StepReport): JournalledDeployment | undefined {
    const holding = (matches: (step: StepReport) => boolean) =>
      this.deployments.find(({ report }) =>
        report.steps.some(
          (each) =>
            each.property === property &&
            each.desc === desc &&
            matches(each) &&
            (each.status === "changed" || each.status === "unchanged"),
        ),
      );
    return holding((each) => each.site === site) ?? holding(() => true);
  }

  /** What changed `name` in a deployment after `last`. */
  #deployedAfter(last: JournalledDeployment, name: string): string | undefined {
    for (const { at, by, report } of this.deployments.slice(0, this.deployments.indexOf(last))) {
      const step = report.steps.find((each) =>
        each.changes.some((change) => change.kind !== "command" && placeOf(each, change) === name),
      );
      if (step) return `deployed by ${by} at ${at}: ${step.desc}`;
    }
    return undefined;
  }

  #packageEvent(name: string, held: number | undefined): PackageEvent | undefined {
    const last = this.host.packages.findLast((each) => each.name === name);
    return last && (held === undefined || seconds(last.when) >= Math.floor(held)) ? last : undefined;
  }

  #presentAt(moment: string): string[] {
    const at = Date.parse(moment);
    const there = this.host.sessions.filter(
      ({ since, until }) => Date.parse(since) <= at + 1000 && (until === null || at <= Date.parse(until)),
    );
    return [...new Set(there.map(({ user }) => user))].sort();
  }
}

/** Within this time, a package and its file were changed together. */
export const NEAR_S = 300;

const seconds = (moment: string): number => Date.parse(moment) / 1000;

/** What was done with a package, in words. */
export const eventText = ({ action, name, from, to, command, by }: PackageEvent): string =>
  [
    `${action} of ${name} ${[from, to].filter(Boolean).join(" → ")}`.trim(),
    command && `by ${command}`,
    by && `asked for by ${by}`,
  ]
    .filter(Boolean)
    .join(", ");
