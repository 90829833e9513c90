import { stripVTControlCharacters } from "node:util";
import type { Cell, Row } from "../../lib/model/rows";
import type { Seen } from "../../lib/model/seen";
import { colour } from "../_colour";

const SIGNS = { new: "+", changed: "~", gone: "-", lost: "✗", back: "✓" } as const;
const HUES = ["cyan", "magenta", "blue", "yellow", "green"] as const;

/** Shows what a watch sees, one line each; each host has its own colour. */
export class WatchLines {
  readonly #hosts = new Map<string, (typeof HUES)[number]>();

  line({ host, at, change, row, before, message }: Seen): string {
    const hue = this.#hosts.get(host) ?? HUES[this.#hosts.size % HUES.length] ?? "cyan";
    this.#hosts.set(host, hue);
    const head = `${colour.dim(at.slice(11, 19))} ${colour[hue](host)}`;
    if (!row) return `${head} ${colour.red(`${SIGNS[change]} ${message ?? "it answers again"}`)}`;
    if (isEntry(row)) return `${head} ${entryText(row)}`;
    const text = before ? changeText(before, row) : rowText(row);
    const paint = { new: colour.green, gone: colour.red, changed: colour.yellow, lost: String, back: String };
    return `${head} ${paint[change](SIGNS[change])} ${text}`;
  }
}

/** An entry of a journal, whose time is that of the line. */
const isEntry = (row: Row): boolean => "message" in row && "priority" in row && "time" in row;

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
