import { seqprops } from "../combinators";
import { Deployment } from "../controller/deployment";
import { session } from "../controller/session";
import type { Hop } from "../model/hop";
import type { Host } from "../model/host";
import { defprop } from "../model/property";
import type { FleetReport, Report, StepReport } from "../model/report";
import type { Cell, Row } from "../model/rows";
import { object, string } from "../model/schema";
import type { Site } from "../model/site";
import type { Query } from "../model/table";
import { type Located, locatedRows, type Rows } from "./rows";

/** The questions to some hosts: those of one turn of the event loop are asked together. */
export class Questions {
  #waiting: Query<Row>[] = [];
  #reports: Promise<readonly Report[]> | undefined;

  constructor(
    private readonly hosts: readonly (Pick<Host, "name"> | Host)[],
    private readonly hops: readonly Hop[],
  ) {}

  /** Asks on its own, unseen by views, however often that is done. */
  async askAgain<R extends Row>(query: Query<R>): Promise<Rows<Located<R>>> {
    return rowsIn((await this.#deployment([query])).reports, 0, rowsOf<R>);
  }

  async ask<R extends Row>(query: Query<R>): Promise<Rows<Located<R>>> {
    const index = this.#waiting.push(query) - 1;
    this.#reports ??= Promise.resolve().then(() => this.#askAll());
    return rowsIn(await this.#reports, index, rowsOf<R>);
  }

  async #askAll(): Promise<readonly Report[]> {
    const applications = this.#waiting;
    this.#waiting = [];
    this.#reports = undefined;
    const deployment = this.#deployment(applications);
    session.begin(deployment);
    return (await deployment).reports;
  }

  #deployment(applications: readonly Query<Row>[]): Deployment<FleetReport> {
    return new Deployment<FleetReport>({
      scope: "only these",
      fleet: true,
      hosts: this.hosts,
      hops: this.hops,
      // One that fails stops no other.
      applications: [seqprops(...applications)],
      plan: true,
      adHoc: "silent",
    });
  }

  /** `site`: where the command is written. */
  async run(command: string, site: Site): Promise<Rows<Located<Ran>>> {
    const deployment = new Deployment<FleetReport>({
      scope: "only these",
      fleet: true,
      hosts: this.hosts,
      hops: this.hops,
      applications: [{ property: runs.definition.name, args: { command }, site: `${site}` }],
      adHoc: "shown",
    });
    session.begin(deployment);
    return rowsIn((await deployment).reports, 0, outcomeOf);
  }
}

/** What `rows` finds in the step `index` of each report; where it finds nothing, the reason is in `errors`. */
function rowsIn<R extends Row>(
  reports: readonly Report[],
  index: number,
  rows: (step: StepReport) => readonly R[] | undefined,
): Rows<Located<R>> {
  const answers = reports.map((report) => {
    const step = report.steps[index];
    return { host: report.host, rows: step && rows(step), message: reasonOf(report, step) };
  });
  return locatedRows(
    answers.flatMap(({ host, rows: found }) => (found ? [{ host, rows: found }] : [])),
    answers.filter(({ rows: found }) => !found).map(({ host, message }) => ({ host, message })),
  );
}

/** How a command ended on a host. */
export interface Ran {
  readonly [column: string]: Cell;
  readonly exit: number;
  /** Both streams, interleaved. */
  readonly output: string;
}

const runs = defprop({
  name: "explore._runs",
  kind: "posix",
  args: object({ command: string() }),
  call: (command: string) => ({ command }),
  desc: ({ command }) => command,
  apply: async ({ command }, target) => {
    await target.run(command, { inform: true });
    return "changed";
  },
});

/** Undefined when the command did not run to its end. */
function outcomeOf({ status, failure, output }: StepReport): Ran[] | undefined {
  const exit = status === "changed" ? 0 : failure?.command?.exit;
  return exit === undefined ? undefined : [{ exit, output }];
}

const rowsOf = <R extends Row>(step: StepReport): readonly R[] | undefined =>
  acts(step) ? undefined : (step.rows as readonly R[] | undefined);

const acts = ({ plan, changes }: StepReport): boolean =>
  plan?.answer === "would change" || changes.length > 0;

function reasonOf({ failure }: Report, step: StepReport | undefined): string {
  if (step?.plan && acts(step))
    return `${step.property} acts, and a table may only ask: let it use target.query instead of target.run`;
  return (
    failure?.message ?? step?.failure?.message ?? step?.plan?.reason ?? step?.reason ?? "it was not asked"
  );
}
