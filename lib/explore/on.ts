import type { Hop } from "../model/hop";
import type { Row } from "../model/rows";
import { callSite } from "../model/site";
import type { Query, Table } from "../model/table";
import * as tables from "../tables";
import { Questions, type Ran } from "./_questions";
import { type GivenHosts, subjectsIn } from "./_subjects";
import { type Asked, asked, type Located } from "./rows";

export type { Ran };

/** Asks hosts for the rows of tables. Questions that are put together travel together, in one round trip to each host. */
export type Asking = {
  readonly [T in keyof typeof tables]: (typeof tables)[T] extends Table<infer P, infer R>
    ? (...params: P) => Asked<Located<R>>
    : never;
} & {
  /** The rows of a table of your own. */
  ask<R extends Row>(query: Query<R>): Asked<Located<R>>;
  /** Runs a command, which may act, as the user of the hops, and shows its output. It is a deployment: in the journal, with the lock. */
  run(command: string): Asked<Located<Ran>>;
};

/**
 * A handle to the live state of `hosts`: each member is a table, such as `on(web1).ports()`. Asked through the agent where one
 * runs, otherwise over the shell; nothing on a host is changed. A host that does not answer is in `errors` of the rows.
 * Hops given here replace those of the hosts. Throws `InvalidArguments` for an argument that is not a host or a hop.
 *
 * @example on(["web1.example.org", "web2.example.org"]).packages()
 */
export function on(hosts: GivenHosts, ...hops: readonly (Hop | readonly Hop[])[]): Asking {
  const { subjects, chain } = subjectsIn("on", hosts, hops, on);
  const questions = new Questions(subjects, chain);
  const members = Object.entries(tables).map(([name, table]) => [
    name,
    (...params: never[]) => asked(questions.ask((table as Table<never[], Row>)(...params))),
  ]);
  const ask = (query: Query<Row>) => asked(questions.ask(query));
  const run = (command: string) => asked(questions.run(command, callSite()));
  return { ...Object.fromEntries(members), ask, run } as Asking;
}
