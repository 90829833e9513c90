import { FailedChange } from "./errors";

/** What a cell of a table may be. Times are text as ISO 8601, in UTC. */
export type Cell = string | number | boolean | null | readonly string[];

/** One row of a table, by column. */
export type Row = Readonly<Record<string, Cell>>;

/** Rows in one event. */
export const MOST_ROWS = 500;

const isCell = (value: unknown): boolean =>
  value === null ||
  ["string", "boolean"].includes(typeof value) ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.every((each) => typeof each === "string"));

/** `rows` as `table` returned them, if they are rows. */
export function checkedRows(table: string, rows: readonly Row[]): readonly Row[] {
  if (!Array.isArray(rows)) throw new FailedChange(`${table} returned no list of rows`);
  for (const row of rows) {
    if (typeof row !== "object" || row === null || Array.isArray(row))
      throw new FailedChange(`${table} returned a row that is no object`);
    const wrong = Object.entries(row).find(([, value]) => !isCell(value));
    if (wrong)
      throw new FailedChange(
        `${table} returned a row whose ${wrong[0]} is ${typeof wrong[1] === "object" ? "an object" : String(wrong[1])}; a cell is text, a finite number, true, false, null, or a list of texts`,
      );
  }
  return rows;
}
