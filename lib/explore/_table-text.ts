import type { InspectOptionsStylized } from "node:util";
import type { Row } from "../model/rows";
import { cellText, cutTo, GAP, headOf, isWhole, lengthOf, narrow } from "./cells";

/** Rows that are shown; the rest is counted. */
const MOST_SHOWN = 100;

type Style = InspectOptionsStylized["stylize"];

/** `rows` as a table that fits the terminal: columns of the rows in order, the host only where there are several. */
export function tableText(rows: readonly Row[], style: Style, width = process.stdout.columns ?? 100): string {
  if (rows.length === 0) return style("no rows", "undefined");
  const shown = rows.slice(0, MOST_SHOWN);
  const severalHosts = new Set(rows.map((row) => row["host"])).size > 1;
  const names = [...new Set(shown.flatMap((row) => Object.keys(row)))].filter(
    (name) => name !== "host" || severalHosts || Object.keys(shown[0] ?? {}).length === 1,
  );
  const columns = names.map((name) => {
    const cells = shown.map((row) => cellText(name, row[name]));
    const isNumber = shown.every((row) => typeof (row[name] ?? 0) === "number");
    return {
      head: headOf(name),
      cells,
      isNumber,
      whole: shown.some((row) => isWhole(row[name])),
      width: Math.max(headOf(name).length, ...cells.map(lengthOf)),
    };
  });
  const room = width - GAP.length * (columns.length - 1);
  const [only] = rows;
  if (only && rows.length === 1 && columns.reduce((sum, column) => sum + column.width, 0) > room)
    return recordText(only, style);
  narrow(columns, room);
  const line = (texts: readonly string[]) =>
    columns
      .map(({ isNumber, width: most }, index) => {
        const text = cutTo(texts[index] ?? "", most);
        const fill = " ".repeat(most - lengthOf(text));
        return isNumber ? fill + text : text + fill;
      })
      .join(GAP)
      .trimEnd();
  const more = rows.length - shown.length;
  return [
    style(line(columns.map(({ head }) => head)), "special"),
    ...shown.map((_, index) => line(columns.map(({ cells }) => cells[index] ?? ""))),
    ...(more > 0 ? [style(`… and ${more} more rows: keep them with const rows = await …`, "undefined")] : []),
  ].join("\n");
}

/** A single row that does not fit: one line a column. */
function recordText(row: Row, style: Style): string {
  const widest = Math.max(...Object.keys(row).map((name) => headOf(name).length));
  return Object.entries(row)
    .map(([name, cell]) => `${style(headOf(name).padEnd(widest), "special")}${GAP}${cellText(name, cell)}`)
    .join("\n");
}
