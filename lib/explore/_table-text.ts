import { type InspectOptionsStylized, stripVTControlCharacters } from "node:util";
import type { Cell, Row } from "../model/rows";

/** Rows that are shown; the rest is counted. */
const MOST_SHOWN = 100;
/** A column is not made narrower than this, in characters. */
const LEAST_WIDTH = 8;
const GAP = "  ";

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

/** Makes the widest columns narrower, until all of them fit into `room`. */
function narrow(columns: { width: number }[], room: number): void {
  for (;;) {
    const total = columns.reduce((sum, { width }) => sum + width, 0);
    const [widest, next] = [...columns].sort((a, b) => b.width - a.width);
    if (total <= room || !widest || widest.width <= LEAST_WIDTH) return;
    widest.width = Math.max(LEAST_WIDTH, widest.width - (total - room), (next?.width ?? 0) - 1);
  }
}

const BYTES = /Bytes$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const headOf = (name: string): string => name.replace(BYTES, "");

function cellText(name: string, cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return "";
  if (typeof cell === "number" && BYTES.test(name)) return bytesText(cell);
  if (typeof cell === "string" && TIME.test(cell)) return `${cell.slice(0, 10)} ${cell.slice(11, 16)}Z`;
  const text = typeof cell === "object" ? cell.join(" ") : String(cell);
  return stripVTControlCharacters(text).replaceAll(/\s+/g, " ");
}

const UNITS = ["B", "K", "M", "G", "T", "P"];

/** As ls -h does: 1.5K. */
function bytesText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}${UNITS[power]}`;
}

const lengthOf = (text: string): number => [...text].length;

const cutTo = (text: string, width: number): string =>
  lengthOf(text) > width ? `${[...text].slice(0, width - 1).join("")}…` : text;
