import { seqprops } from "../combinators";
import { Deployment } from "../controller/deployment";
import { session } from "../controller/session";
import type { Hop } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import { defprop, type PropApp } from "../model/property";
import type { FleetReport, Report, StepReport } from "../model/report";
import type { Cell, Row } from "../model/rows";
import { object, string } from "../model/schema";
import type { Site } from "../model/site";
import type { Query } from "../model/table";
import { type Evaluated, needsAgent, problemOf, valueIn } from "./_evaluation";
import { hopsTo } from "./_subjects";
import type { Subject } from "./planned";
import { type Located, locatedRows, Rows, type Unanswered } from "./rows";

/** The questions to some hosts: those of one turn of the event loop are asked together. */
export class Questions {
  #waiting: Query<Row>[] = [];
  #reports: Promise<readonly Report[]> | undefined;

  constructor(
    private readonly hosts: readonly Subject[],
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
    const reports = await this.#act({ property: runs.definition.name, args: { command }, site: `${site}` });
    return rowsIn(reports, 0, outcomeOf);
  }

  /** `evaluation`: made by `evaluationOf`. */
  async evaluate<T>(evaluation: PropApp): Promise<Rows<Evaluated<T>>> {
    const isBare = (subject: Subject) => {
      const hops = hopsTo(subject, this.hops);
      return hops.length > 0 && agentIndex(hops) < 0;
    };
    const able = this.hosts.filter((each) => !isBare(each));
    const reports = able.length === 0 ? [] : await this.#act(evaluation, able);
    const answers = reports.map(({ host, steps: [step], failure }) => {
      const found = step && valueIn(step);
      return found ? { host, value: found.value as T } : problemOf(host, step, failure);
    });
    const values = answers.filter((each): each is Evaluated<T> => "value" in each);
    const errors = [
      ...answers.filter((each): each is Unanswered => !("value" in each)),
      ...this.hosts.filter(isBare).map(({ name }) => ({ host: name, message: needsAgent(name) })),
    ];
    return Object.assign(Rows.from(values) as Rows<Evaluated<T>>, { errors });
  }

  async #act(application: PropApp, hosts = this.hosts): Promise<readonly Report[]> {
    const deployment = new Deployment<FleetReport>({
      scope: "only these",
      fleet: true,
      hosts,
      hops: this.hops,
      applications: [application],
      adHoc: "shown",
    });
    session.begin(deployment);
    return (await deployment).reports;
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
