import { cellText, cutTo, GAP, headOf, isWhole, lengthOf, narrow } from "../../lib/explore/cells";
import type { Row } from "../../lib/model/rows";
import { visibleText } from "../../lib/util/clean-text";
import { colour } from "../_colour";
import { wrapped } from "../_layout";
import { helpLines } from "./_help";
import { type Entry, PANES, panes, toneOf } from "./panes";
import {
  type Detail,
  isTooSmall,
  LEAST,
  type LookState,
  MOST_ERRORS,
  roomOf,
  shownEntries,
  shownHosts,
  unanswered,
} from "./state";

/** The seconds between two questions to a host, and to one that has not answered. */
export const EVERY_S = 5;
export const EVERY_S_IF_LOST = 15;

/** The lines of the whole screen. */
export function screenLines(state: LookState): string[] {
  const { columns, rows } = state;
  if (isTooSmall(state)) {
    const need = `${columns}x${rows} is too small: .look needs ${LEAST.columns}x${LEAST.rows}`;
    return [need, "q leaves"].slice(0, rows).map((line) => cutTo(line, columns));
  }
  const body = state.help
    ? helpLines(columns)
    : state.detail
      ? detailLines(state, state.detail)
      : paneLines(state);
  const room = rows - 4;
  const filled = [...body.slice(0, room), ...Array<string>(Math.max(0, room - body.length)).fill("")];
  return [titleLine(state), tabLine(state), ...filled, noteLine(state), keyLine(state)];
}

function titleLine(state: LookState): string {
  const { hosts, only, columns } = state;
  const who = only ?? (hosts.length === 1 ? (hosts[0] ?? "") : `${hosts.length} hosts`);
  const when = freshness(state);
  const name = cutTo(who, Math.max(8, columns - lengthOf(when) - 2));
  return (
    colour.bold(name) + " ".repeat(Math.max(2, columns - lengthOf(name) - lengthOf(when))) + colour.dim(when)
  );
}

/** When what is on the screen was asked for, and how often that is. */
function freshness(state: LookState): string {
  const { answers } = state.panes[state.pane];
  const times = shownHosts(state).flatMap((host) => answers.get(host)?.at ?? []);
  const isLost = unanswered(state).length === shownHosts(state).length;
  if (isLost) return `no answer, asked every ${EVERY_S_IF_LOST} s`;
  if (times.length === 0) return "asking";
  const at = new Date(Math.min(...times)).toISOString().slice(11, 19);
  if (state.pane === "logs") return "live";
  const isPlan = state.pane === "properties" || state.pane === "files";
  return isPlan ? `planned ${at}Z` : `${at}Z, every ${EVERY_S} s`;
}

function tabLine({ pane, columns }: LookState): string {
  const whole = PANES.map((name, index) => `${index + 1} ${name}`);
  const fits = lengthOf(whole.join(" ")) + 3 <= columns;
  const tabs = PANES.map((name, index) => {
    const tab = fits || name === pane ? (whole[index] ?? "") : `${index + 1}`;
    if (name !== pane) return ` ${tab}`;
    return colour.level === 0 ? ` [${tab}]` : ` ${colour.inverse.bold(` ${tab} `)}`;
  });
  return tabs.join("");
}

function paneLines(state: LookState): string[] {
  const { pane } = state;
  const { index, top, answers, filter } = state.panes[pane];
  const entries = shownEntries(state);
  const shown = entries.slice(top, top + roomOf(state));
  const errors = errorLines(state);
  if (entries.length === 0) {
    const waiting = shownHosts(state).some((host) => !answers.has(host));
    const why = waiting ? "asking…" : filter ? `nothing matches ${filter}` : panes[pane].empty;
    return [
      ...wholeErrors(state),
      "",
      ...(waiting || errors.length === 0 || filter ? [`  ${colour.dim(why)}`] : []),
    ];
  }
  const table = tableLines(state, shown);
  return [
    table.head,
    ...errors,
    ...table.lines.map((line, at) => {
      const tone = toneOf(pane, shown[at]?.row ?? {});
      const paint = tone === "bad" ? colour.red : tone === "other" ? colour.yellow : String;
      return top + at === index
        ? colour.inverse(paint(`>${line.padEnd(state.columns - 1)}`))
        : paint(` ${line}`);
    }),
  ];
}

/** Why a host does not answer, without the hop, which its definition has. */
const reasonOf = (error: string): string => error.replace(/^via\.\w+\(.*?\): /s, "");

/** The reasons of hosts that do not answer, in full. */
const wholeErrors = (state: LookState): string[] =>
  unanswered(state).flatMap(({ host, error }) =>
    wrapped(plain(`✗ ${host}: ${error}`), "", state.columns)
      .split("\n")
      .map((line) => colour.red(line)),
  );

function errorLines(state: LookState): string[] {
  const errors = unanswered(state);
  const listed = errors.length > MOST_ERRORS ? errors.slice(0, MOST_ERRORS - 1) : errors;
  const more = errors.length - listed.length;
  return [
    ...listed.map(({ host, error, at }) => {
      const since = at === undefined ? "" : ` (rows of ${new Date(at).toISOString().slice(11, 19)}Z)`;
      return colour.red(cutTo(`✗ ${host}: ${plain(reasonOf(error))}${since}`, state.columns));
    }),
    ...(more > 0 ? [colour.red(`✗ and ${more} more hosts do not answer`)] : []),
  ];
}

function tableLines(state: LookState, entries: readonly Entry[]) {
  const names = panes[state.pane].columns;
  const withHost = state.pane !== "hosts" && shownHosts(state).length > 1;
  const columns = (withHost ? ["host", ...names] : names).map((name) => {
    const cells = entries.map(({ host, row }) => (name === "host" ? host : shownCell(name, row)));
    const isNumber = entries.every(({ row }) => typeof (row[name] ?? 0) === "number") && name !== "host";
    const width = Math.max(lengthOf(headOf(name)), ...cells.map(lengthOf));
    const whole = isNumber || entries.some(({ row }) => isWhole(row[name]));
    return { name, cells, isNumber, whole, width };
  });
  const room = state.columns - 1;
  while (columns.length > 1 && leastWidth(columns) > room) columns.pop();
  const [first, ...others] = columns;
  if (first && others.length > 0) first.width = Math.min(first.width, FIRST_WIDTH);
  narrow(others, room - (first?.width ?? 0) - GAP.length * others.length);
  const line = (texts: readonly string[]) =>
    cutTo(
      columns
        .map(({ isNumber, width }, index) => {
          const text = cutTo(texts[index] ?? "", width);
          const fill = " ".repeat(width - lengthOf(text));
          return isNumber ? fill + text : text + fill;
        })
        .join(GAP)
        .trimEnd(),
      state.columns - 1,
    );
  return {
    head: colour.cyan(` ${line(columns.map(({ name }) => headOf(name)))}`),
    lines: entries.map((_, index) => line(columns.map(({ cells }) => cells[index] ?? ""))),
  };
}

/** The narrowest that columns may be together: the first one tells what a row is about. */
const leastWidth = (columns: readonly { readonly width: number }[]): number =>
  columns.reduce(
    (sum, { width }, index) => sum + GAP.length + Math.min(width, index === 0 ? FIRST_WIDTH : LEAST_WIDTH),
    -GAP.length,
  );

const [FIRST_WIDTH, LEAST_WIDTH] = [30, 10];

/** Longer cells are cut before anything is done with them. */
const MOST_IN_CELL = 1000;

function shownCell(name: string, row: Row): string {
  const cell = row[name];
  const short = typeof cell === "string" ? cell.slice(0, MOST_IN_CELL) : cell;
  // The day of an entry of a journal is that of its neighbours.
  if (name === "time" && typeof short === "string") return short.slice(11, 19);
  if (name === "state" && typeof short === "string") return plain(reasonOf(short));
  return visibleText(cellText(name, short));
}

/** Text of a host or a user on one line. */
const plain = (text: string): string => visibleText(cellText("", text.slice(0, MOST_IN_CELL)));

function detailLines(state: LookState, { title, lines, top }: Detail): string[] {
  const room = roomOf(state);
  const shown = lines?.slice(top, top + room) ?? [colour.dim("  asking…")];
  const place =
    lines && lines.length > room ? ` (${top + 1}–${top + shown.length} of ${lines.length} lines)` : "";
  return [colour.cyan(cutTo(`${plain(title)}${place}`, state.columns)), ...shown];
}

function noteLine({ question, running, note, filtering, pane, panes: all, columns }: LookState): string {
  const { filter } = all[pane];
  if (question) return colour.yellow(cutTo(`${plain(question.text)} (y/n)`, columns));
  if (filtering) return cutTo(`/${filter}▏`, columns);
  if (note) return (note.bad ? colour.red : colour.yellow)(cutTo(plain(note.text), columns));
  if (running !== undefined) return colour.cyan(cutTo(`${plain(running)} (Ctrl-C stops it)`, columns));
  return filter === ""
    ? ""
    : colour.dim(cutTo(`only what matches ${filter}; Escape shows everything`, columns));
}

function keyLine({ question, filtering, detail, help, columns }: LookState): string {
  const keys = question
    ? "y yes  any other key: no"
    : help
      ? "any key goes back"
      : filtering
        ? "Enter keeps the filter  Escape removes it"
        : detail
          ? "↑↓ scroll  Escape back  d deploy  r restart  s shell  ? keys"
          : "↑↓ Enter open  / filter  p plan  d deploy  r restart  s shell  ? keys  q leave";
  return colour.dim(fitting(keys.split("  "), columns));
}

/** As many of the `keys` as fit: the last two, help and the way out, always, and of the others the first. */
function fitting(keys: readonly string[], columns: number): string {
  for (let left = keys.length - 2; left >= 0; left -= 1) {
    const shown = [...keys.slice(0, left), ...keys.slice(-2)].join("  ");
    if (lengthOf(shown) <= columns) return shown;
  }
  return cutTo(keys.slice(-2).join("  "), columns);
}
