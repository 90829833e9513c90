/** What is shown of an entry that was opened. */
import { readFileSync } from "node:fs";
import { bytesText, cellText, headOf } from "../../lib/explore/cells";
import { on } from "../../lib/explore/on";
import type { Located, Rows } from "../../lib/explore/rows";
import type { Row } from "../../lib/model/rows";
import { visibleText } from "../../lib/util/clean-text";
import { colour } from "../_colour";
import { beside, columns } from "../_layout";
import { docText } from "../commands/doc";
import { docOf } from "../docs";
import { positionOf } from "../editor";
import { changeLines } from "../views/_changes";
import { planNote, planWord } from "../views/_plan";
import type { HostTree, Step } from "../views/_tree";
import { formatFailure } from "../views/_words";
import type { Workspace } from "../workspace";
import { type Entry, type PaneName, unitOf } from "./panes";

/** Where the documentation of properties and the consfig are. */
export type Sources = Pick<Workspace["consfig"], "root" | "isSource">;

/** The lines of `entry`; the host is asked for some of them. `plan`: the last plan of the host. */
export async function openedLines(
  pane: PaneName,
  entry: Entry,
  plan: HostTree | undefined,
  sources: Sources,
): Promise<string[]> {
  const step = plan?.steps.get(Number(entry.row["number"] ?? -1));
  if (pane === "services") return unitLines(entry);
  if (pane === "files") return fileLines(entry, plan, step);
  if (pane === "properties" && plan && step) return propertyLines(step, plan, sources);
  return recordLines(entry.row);
}

/** Entries of the journal of a unit that are shown. */
const NEWEST = 50;

async function unitLines(entry: Entry): Promise<string[]> {
  const { host, row } = entry;
  const unit = unitOf("services", entry) ?? "";
  const asking = on(host);
  const [logs, units] = await Promise.all([asking.logs({ unit, lines: NEWEST }), asking.units(unit)]);
  const [found] = units;
  const files = found?.file ? [found.file] : [];
  const texts = await Promise.all(files.map(async (file) => [file, await on(host).read(file)] as const));
  return [
    ...recordLines(row),
    ...section(
      "log",
      rowLines(logs, ({ time, message }) => `${time.slice(0, 10)} ${time.slice(11, 19)}Z  ${message}`),
    ),
    ...texts.flatMap(([file, lines]) =>
      section(
        file,
        rowLines(lines, ({ text }) => text),
      ),
    ),
  ];
}

async function fileLines(
  { host, row }: Entry,
  plan: HostTree | undefined,
  step: Step | undefined,
): Promise<string[]> {
  const path = String(row["path"]);
  const [stats, content] = await Promise.all([on(host).files(globbed(path)), contentOf(host, path)]);
  const [stat] = stats;
  const about = step && plan ? [`${step.desc}: ${planWord(step)}`, ...noted(step, plan)] : [];
  const changes = step?.changes.filter((change) => !("path" in change) || change.path === path) ?? [];
  return [
    ...about,
    ...(stat
      ? [
          `${stat.type}, mode ${stat.mode}, owner ${stat.uid}:${stat.gid}, ${bytesText(stat.sizeBytes)}, changed ${stat.changed}`,
        ]
      : ["it does not exist"]),
    ...section("what a deployment would change", changeLines(changes, "", true)),
    ...section("content", stat?.type === "file" ? content : []),
  ];
}

/** A pattern that matches `path` only. */
const globbed = (path: string): string => path.replace(/[\\*?[\]{}]/g, "\\$&");

async function contentOf(host: string, path: string): Promise<string[]> {
  return rowLines(await on(host).read(path), ({ text }) => text);
}

function propertyLines(step: Step, plan: HostTree, sources: Sources): string[] {
  const doc = docOf(step.property, sources.root);
  return [
    `${step.desc}: ${planWord(step)}`,
    ...noted(step, plan),
    ...(step.failure
      ? formatFailure(step.failure)
          .split("\n")
          .map((line) => colour.red(line))
      : []),
    ...changeLines(step.changes, "", true),
    ...section(step.site, sourceLines(step.site, sources)),
    ...section(step.property, doc ? docText(doc).split("\n") : ["it has no documentation"]),
    ...section("files that it looks at", (step.plan?.paths ?? []).map(visibleText)),
  ];
}

const noted = (step: Step, plan: HostTree): string[] => {
  const note = planNote(step, plan);
  return note === "" ? [] : note.split("\n");
};

/** The lines of the consfig around `site`. */
function sourceLines(site: string, sources: Sources): string[] {
  const position = positionOf(site, sources);
  if (!position) return [];
  try {
    const lines = readFileSync(position.file, "utf8").split("\n");
    const first = Math.max(0, position.line - AROUND - 1);
    return lines
      .slice(first, position.line + AROUND)
      .map(
        (line, index) => `${first + index + 1 === position.line ? ">" : " "} ${first + index + 1} | ${line}`,
      );
  } catch {
    return [];
  }
}

const AROUND = 3;

/** Every column of a row on a line of its own. */
function recordLines(row: Row): string[] {
  const shown = Object.entries(row).filter(([name]) => name !== "number");
  const widest = Math.max(...shown.map(([name]) => headOf(name).length));
  return shown.flatMap(([name, cell]) => {
    const head = `${colour.cyan(headOf(name).padEnd(widest))}  `;
    return beside(head, widest + 2, visibleText(cellText(name, cell))).split("\n");
  });
}

/** One line a row; where the host has not answered, the reason. */
const rowLines = <R extends Row>(rows: Rows<Located<R>>, text: (row: Located<R>) => string): string[] => [
  ...rows.errors.map(({ message }) => colour.red(visibleText(message))),
  ...rows.slice(0, MOST_LINES).flatMap((row) => folded(visibleText(text(row)).replaceAll("\t", "    "))),
  ...(rows.length > MOST_LINES ? [colour.dim(`… and ${rows.length - MOST_LINES} more lines`)] : []),
];

const MOST_LINES = 5000;

/** `text` in lines that fit the terminal. */
function folded(text: string): string[] {
  const characters = [...text.slice(0, MOST_IN_LINE)];
  const count = Math.max(1, Math.ceil(characters.length / columns()));
  return Array.from({ length: count }, (_, index) =>
    characters.slice(index * columns(), (index + 1) * columns()).join(""),
  );
}

const MOST_IN_LINE = 10_000;

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ["", colour.bold(title), ...lines];
