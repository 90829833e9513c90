import type { Hop } from "../model/hop";
import type { Row } from "../model/rows";
import { callSite } from "../model/site";
import type { Query, Table } from "../model/table";
import * as tables from "../tables";
import type { LogEntry } from "../tables/logs";
import { type Evaluable, type Evaluated, evaluationOf } from "./_evaluation";
import { Questions, type Ran } from "./_questions";
import { type GivenHosts, subjectsIn } from "./_subjects";
import { type FileLine, type FollowFileOptions, type FollowOptions, follow, followFiles } from "./follow";
import { type Asked, asked, type Located } from "./rows";
import type { Watch } from "./watching";

export type { Evaluable, Evaluated, Ran };

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
  /**
   * Calls a function on each host, in a fresh process of the agent, and has its values: one that a file of the consfig exports,
   * with the imports of that file, or one that is typed at the prompt or is in a playbook, with what it uses: other such
   * functions, Node's modules, exports of the consfig, and copies of plain data. It may act, so it is a deployment: in the
   * journal, with the lock. Arguments and value are plain data. What the function throws is in `errors`, with its line. Throws
   * `InvalidArguments` for a function that uses what cannot be sent, and for arguments that are not plain data.
   *
   * @example on(web1).eval((directory) => readdirSync(directory).length, "/var/log")
   */
  eval<A extends readonly unknown[], T>(fn: Evaluable<A, T>, ...args: A): Asked<Evaluated<T>>;
  /**
   * Follows the journals: the newest entries, then further ones as they come, until it is stopped, as with Ctrl-C. No process
   * of it stays on a host then, nor when the link is lost. A lost link is opened again after growing pauses, and the entries
   * since then come; where some may be missing, that is noted.
   */
  follow(options?: FollowOptions): Watch<LogEntry>;
  /**
   * Follows files, given by absolute paths: their newest lines, then further ones within a second, also when a file is
   * replaced, as logrotate does, or truncated, or does not exist yet. Otherwise as for journals.
   *
   * @example on(web1).follow("/var/log/nginx/access.log")
   */
  follow(files: string | readonly string[], options?: FollowFileOptions): Watch<FileLine>;
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
  const ask = (query: Query<Row>) => asked(questions.ask(query), () => questions.askAgain(query));
  const members = Object.entries(tables).map(([name, table]) => [
    name,
    (...params: never[]) => ask((table as Table<never[], Row>)(...params)),
  ]);
  const run = (command: string) => asked(questions.run(command, callSite()));
  const evaluate = (fn: Evaluable<never[], unknown>, ...args: unknown[]) =>
    asked(questions.evaluate(evaluationOf(fn, args, callSite(), evaluate)));
  const followed = (files?: string | readonly string[] | FollowOptions, options?: FollowFileOptions) =>
    typeof files === "string" || Array.isArray(files)
      ? followFiles(subjects, chain, [files].flat() as string[], options)
      : follow(subjects, chain, files as FollowOptions | undefined);
  return { ...Object.fromEntries(members), ask, run, eval: evaluate, follow: followed } as Asking;
}
