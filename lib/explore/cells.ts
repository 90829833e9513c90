/** Cells and columns of tables as text. */
import { stripVTControlCharacters } from "node:util";
import type { Cell } from "../model/rows";

/** Between two columns. */
export const GAP = "  ";
/** A column is not made narrower than this, in characters. */
const LEAST_WIDTH = 8;

interface Column {
  width: number;
  /** A part of its cells would say something else, as of times and numbers: cut only when nothing else can be. */
  readonly whole: boolean;
}

/** Makes the widest columns narrower, until all of them fit into `room`, with the gaps left out. */
export function narrow(columns: readonly Column[], room: number): void {
  for (const cut of [columns.filter(({ whole }) => !whole), columns])
    for (;;) {
      const total = columns.reduce((sum, { width }) => sum + width, 0);
      const [widest, next] = [...cut].sort((a, b) => b.width - a.width);
      if (total <= room || !widest || widest.width <= LEAST_WIDTH) break;
      widest.width = Math.max(LEAST_WIDTH, widest.width - (total - room), (next?.width ?? 0) - 1);
    }
}

const BYTES = /Bytes$/;
const SECONDS = /Seconds$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Whether a column with `cell` is cut last. */
export const isWhole = (cell: Cell | undefined): boolean =>
  typeof cell === "number" || (typeof cell === "string" && TIME.test(cell));

/** What stands above the column `name`. */
export const headOf = (name: string): string => name.replace(BYTES, "").replace(SECONDS, "");

/** A cell of the column `name` on one line, without control characters. */
export function cellText(name: string, cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return "";
  if (typeof cell === "number" && BYTES.test(name)) return bytesText(cell);
  if (typeof cell === "number" && SECONDS.test(name)) return durationText(cell);
  if (typeof cell === "string" && TIME.test(cell)) return `${cell.slice(0, 10)} ${cell.slice(11, 16)}Z`;
  const text = typeof cell === "object" ? textOf(cell) : String(cell);
  return stripVTControlCharacters(text).replaceAll(/\s+/g, " ");
}

/** What a function has returned on a host may be any plain data. */
const textOf = (cell: object): string =>
  Array.isArray(cell) && cell.every((each) => typeof each === "string")
    ? cell.join(" ")
    : JSON.stringify(cell);

const UNITS = ["B", "K", "M", "G", "T", "P"];

/** As ls -h does: 1.5K. */
export function bytesText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}${UNITS[power]}`;
}

/** In the two largest units: 3d 4h. */
function durationText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  if (days > 0) return `${days}d ${hours}h`;
  return hours > 0 ? `${hours}h ${minutes % 60}m` : `${minutes}m ${Math.floor(seconds % 60)}s`;
}

/** In characters. */
export const lengthOf = (text: string): number => [...text].length;

/** `text`, cut to `width` characters. */
export const cutTo = (text: string, width: number): string =>
  lengthOf(text) > width ? `${[...text].slice(0, width - 1).join("")}…` : text;
