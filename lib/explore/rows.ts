import { type InspectOptionsStylized, inspect } from "node:util";
import type { Row } from "../model/rows";
import { tableText } from "./_table-text";

/** A host that has not answered. */
export interface Unanswered {
  readonly host: string;
  readonly message: string;
}

/** The rows of a table on one or several hosts: an array, which prints as a table. */
export class Rows<R> extends Array<R> {
  /** The hosts that have not answered, and why. Arrays made from this one have none. */
  readonly errors: readonly Unanswered[] = [];

  override toSorted(compare?: (one: R, other: R) => number): Rows<R> {
    return (Rows.from(this) as Rows<R>).sort(compare);
  }

  [inspect.custom](_depth: number, options: InspectOptionsStylized): string {
    const isTable = this.every((row) => typeof row === "object" && row !== null && !Array.isArray(row));
    const body = isTable
      ? tableText(this as unknown as Rows<Row>, options.stylize)
      : inspect([...this], options);
    const failed = this.errors.map(({ host, message }) => options.stylize(`${host}: ${message}`, "regexp"));
    if (this.length === 0 && failed.length > 0) return failed.join("\n");
    return [body, ...failed].join("\n");
  }
}

/** The members of arrays that questions have too: they wait for the rows. */
export const FORWARDED = ["filter", "find", "map", "slice", "toSorted"] as const;

/** Rows that are still asked for: await them, or go on with `filter`, `find`, `map`, `slice` and `toSorted`. */
export type Asked<R> = Promise<Rows<R>> & {
  filter(keep: (row: R, index: number) => unknown): Asked<R>;
  find(matches: (row: R, index: number) => unknown): Promise<R | undefined>;
  map<T>(value: (row: R, index: number) => T): Asked<T>;
  slice(start?: number, end?: number): Asked<R>;
  toSorted(compare?: (one: R, other: R) => number): Asked<R>;
};

/** Asks a question again; of rows that cannot be asked again, undefined. */
type Again<R> = (() => Promise<Rows<R>>) | undefined;

const questions = new WeakMap<Promise<unknown>, () => Promise<Rows<never>>>();

/** What asks again for `rows`, as they were filtered and mapped; undefined for rows that were not asked for. */
export const againOf = <R>(rows: Promise<Rows<R>>): Again<R> => questions.get(rows) as unknown as Again<R>;

/** `rows`, with the members above. `again`: asks for them again. */
export function asked<R>(rows: Promise<Rows<R>>, again?: Again<R>): Asked<R> {
  const forwarded = FORWARDED.map((name) => [
    name,
    (...given: never[]) => {
      const from = (all: Rows<R>) => Reflect.apply(all[name], all, given) as Rows<unknown>;
      return asked(rows.then(from), again && (() => again().then((all) => withErrors(from(all), all))));
    },
  ]);
  if (again) questions.set(rows, again as unknown as () => Promise<Rows<never>>);
  return Object.assign(rows, Object.fromEntries(forwarded)) as Asked<R>;
}

/** `rows`, made from `all`, with the hosts that have not answered. */
const withErrors = <R>(rows: Rows<R>, { errors }: Rows<unknown>): Rows<R> =>
  rows instanceof Rows ? Object.assign(rows, { errors }) : rows;

/** A row, with the host that it is about. */
export type Located<R> = { readonly host: string } & R;

/** The rows of all `answers`, each with its host. */
export function locatedRows<R extends Row>(
  answers: readonly { readonly host: string; readonly rows: readonly R[] }[],
  errors: readonly Unanswered[],
): Rows<Located<R>> {
  const all = Rows.from(answers.flatMap(({ host, rows }) => rows.map((row) => ({ host, ...row }))));
  return Object.assign(all as Rows<Located<R>>, { errors });
}

/** The rows that `find` has of each host. What it throws is in `errors`, except of a host that `known` has already. */
export async function rowsOfEach<S extends { readonly name: string }, R extends Row>(
  subjects: readonly S[],
  find: (subject: S, index: number) => readonly R[] | Promise<readonly R[]>,
  known: readonly Unanswered[] = [],
): Promise<Rows<Located<R>>> {
  const settled = await Promise.allSettled(subjects.map(async (subject, index) => find(subject, index)));
  const errors = new Map(known.map((each) => [each.host, each]));
  const answers = settled.flatMap((outcome, index) => {
    const { name: host } = subjects[index] as S;
    if (outcome.status === "fulfilled") return [{ host, rows: outcome.value }];
    if (!errors.has(host)) errors.set(host, { host, message: (outcome.reason as Error).message });
    return [];
  });
  return locatedRows(answers, [...errors.values()]);
}
