import { stripVTControlCharacters } from "node:util";
import type { Cell, Row } from "../../lib/model/rows";
import type { Seen } from "../../lib/model/seen";
import { colour } from "../_colour";

const SIGNS = { new: "+", changed: "~", gone: "-", lost: "✗", back: "✓", noted: "!" } as const;
const HOST_COLOURS = { lost: colour.red, back: colour.green, noted: colour.yellow };
const HUES = ["cyan", "magenta", "blue", "yellow", "green"] as const;

/** Shows what a watch sees, one line each; each host has its own colour. */
export class WatchLines {
  readonly #hosts = new Map<string, (typeof HUES)[number]>();

  line({ host, at, change, row, before, message }: Seen): string {
    const hue = this.#hosts.get(host) ?? HUES[this.#hosts.size % HUES.length] ?? "cyan";
    this.#hosts.set(host, hue);
    const head = `${colour.dim(at.slice(11, 19))} ${colour[hue](host)}`;
    if (change === "lost" || change === "back" || change === "noted")
      return `${head} ${HOST_COLOURS[change](`${SIGNS[change]} ${message ?? "it answers again"}`)}`;
    if (!row) return head;
    if (isEntry(row)) return `${head} ${entryText(row)}`;
    if (isLine(row))
      return `${head} ${colour.dim(cellText(row["path"]))} ${stripVTControlCharacters(String(row["line"]))}`;
    const text = before ? changeText(before, row) : rowText(row);
    const paint = { new: colour.green, gone: colour.red, changed: colour.yellow };
    return `${head} ${paint[change](SIGNS[change])} ${text}`;
  }
}

/** An entry of a journal, whose time is that of the line. */
const isEntry = (row: Row): boolean => "message" in row && "priority" in row && "time" in row;

/** A line of a file that is followed. */
const isLine = (row: Row): boolean => Object.keys(row).join() === "path,line";

function entryText(row: Row): string {
  const { priority, program, unit, message } = row;
  const text = cellText(message);
  const isBad = typeof priority === "number" && priority <= 3;
  return `${colour.dim(cellText(program ?? unit))} ${isBad ? colour.red(text) : text}`;
}

const rowText = (row: Row): string =>
  Object.entries(row)
    .filter(([name, cell]) => name !== "host" && cell !== null && cell !== "")
    .map(([, cell]) => cellText(cell))
    .join("  ");

/** The first columns, which say what it is, and those that differ. */
function changeText(before: Row, row: Row): string {
  const [name = ""] = Object.keys(row).filter((each) => each !== "host");
  const differing = Object.keys(row).filter(
    (each) => each !== name && cellText(before[each]) !== cellText(row[each]),
  );
  const changes = differing.map(
    (each) => `${each} ${cellText(before[each]) || "none"} → ${cellText(row[each]) || "none"}`,
  );
  return `${cellText(row[name])}: ${changes.join(", ")}`;
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return "";
  const text = typeof cell === "object" ? cell.join(" ") : String(cell);
  return stripVTControlCharacters(text).replaceAll(/\s+/g, " ");
}
