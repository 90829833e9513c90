import { isDeepStrictEqual } from "node:util";
import { isHost } from "../controller/deploy";
import { refuseArguments } from "../model/errors";
import type { Host } from "../model/host";
import type { Cell, Row } from "../model/rows";
import { type Asking, on } from "./on";
import { type Asked, asked, type Located, Rows } from "./rows";

/** One difference: of a row that only one side has, `column` is null, and its side has "present". */
export interface Difference {
  readonly [side: string]: Cell;
  /** What is compared, such as the name of a package; with `diff` of two hosts, the table comes first. */
  readonly of: string;
  readonly column: string | null;
}

/** How rows are compared. */
export interface DiffOptions {
  /** The columns that tell which rows belong together. Default: the first of `name`, `path`, `place`, `destination`, `port`. */
  readonly by?: readonly string[];
  /** Columns that are not compared. Default: those that differ at each look, such as `pid`, `since` and sizes. */
  readonly without?: readonly string[];
}

type Compared<R> = Rows<Located<R>> | Promise<Rows<Located<R>>>;

/**
 * What is different between the rows of a table on two hosts, or, given two hosts, between their packages, services,
 * accounts, groups and time of start-up. Throws `InvalidArguments` where the rows have no column to compare by.
 *
 * @example diff("web1.example.org", "web2.example.org")
 */
export function diff(one: Host | string, other: Host | string): Asked<Difference>;
export function diff<R extends Row>(
  one: Compared<R>,
  other: Compared<R>,
  options?: DiffOptions,
): Asked<Difference>;
export function diff(
  one: Host | string | Compared<Row>,
  other: Host | string | Compared<Row>,
  options: DiffOptions = {},
): Asked<Difference> {
  const differences =
    isSubject(one) && isSubject(other)
      ? betweenHosts(one, other)
      : betweenRows(one as Compared<Row>, other as Compared<Row>, options);
  return asked(differences);
}

const isSubject = (given: unknown): given is Host | string => typeof given === "string" || isHost(given);

/** What is compared of two hosts. */
const SENSIBLE = ["packages", "services", "users", "groups"] as const satisfies readonly (keyof Asking)[];

async function betweenHosts(one: Host | string, other: Host | string): Promise<Rows<Difference>> {
  const [here, there] = [on(one), on(other)];
  const all = await Promise.all(
    SENSIBLE.map(async (table) => {
      const found = await betweenRows(here[table]() as Compared<Row>, there[table]() as Compared<Row>, {});
      const rows = found.map((row): Difference => ({ ...row, of: `${table} ${row.of}` }));
      return { rows, errors: found.errors };
    }),
  );
  const rows = Rows.from(all.flatMap((each) => [...each.rows])) as Rows<Difference>;
  return Object.assign(rows, { errors: all[0]?.errors ?? [] });
}

async function betweenRows(
  one: Compared<Row>,
  other: Compared<Row>,
  { by, without = VOLATILE }: DiffOptions,
): Promise<Rows<Difference>> {
  const [here, there] = await Promise.all([one, other]);
  const errors = [...here.errors, ...there.errors];
  if (errors.length > 0) return Object.assign(new Rows<Difference>(), { errors });
  const keys = by ?? keysOf([...here, ...there]);
  const sides = sidesOf(here, there);
  const [left, right] = [here, there].map((rows) => new Map([...rows].map((row) => [keyOf(row, keys), row])));
  const names = [...new Set([...(left?.keys() ?? []), ...(right?.keys() ?? [])])].sort();
  const found = names.flatMap((of): Difference[] => {
    const [a, b] = [left?.get(of), right?.get(of)];
    const difference = (column: string | null, first: Cell, second: Cell): Difference => ({
      of,
      column,
      [sides[0]]: first,
      [sides[1]]: second,
    });
    if (!a || !b) return [difference(null, a ? "present" : null, b ? "present" : null)];
    return Object.keys(a)
      .filter(
        (column) =>
          column !== "host" &&
          !keys.includes(column) &&
          !without.includes(column) &&
          !/(Bytes|Seconds)$/.test(column),
      )
      .filter((column) => !isDeepStrictEqual(a[column], b[column]))
      .map((column) => difference(column, a[column] ?? null, b[column] ?? null));
  });
  return Rows.from(found) as Rows<Difference>;
}

const VOLATILE = ["pid", "parent", "cpu", "memory", "since", "last", "next", "booted", "restarts"];

const KEYS = ["name", "path", "place", "destination", "port"];

function keysOf(rows: readonly Row[]): readonly string[] {
  const [first] = rows;
  const key = first === undefined ? "name" : KEYS.find((each) => each in first);
  refuseArguments(
    "diff",
    key === undefined
      ? [`the rows have none of the columns ${KEYS.join(", ")}; say which belong together with { by: […] }`]
      : [],
    diff,
  );
  return [key as string];
}

const keyOf = (row: Row, keys: readonly string[]): string =>
  keys.map((key) => String(row[key] ?? "")).join(" ");

/** The names of the columns of both sides: their hosts, unless they are the same. */
function sidesOf(here: readonly Row[], there: readonly Row[]): readonly [string, string] {
  const [one, other] = [here, there].map(([first]) => first?.["host"]);
  return typeof one === "string" && typeof other === "string" && one !== other
    ? [one, other]
    : ["one", "other"];
}
