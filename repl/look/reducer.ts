import type { Row } from "../../lib/model/rows";
import type { Key } from "./keys";
import { type Entry, entriesOf, PANES, type PaneName, panes, unitOf } from "./panes";
import {
  type Act,
  type Answer,
  choose,
  chosenEntry,
  type Detail,
  isTooSmall,
  type LookState,
  type Note,
  roomOf,
  settled,
  withPane,
} from "./state";

/** What happens to the view. */
export type LookEvent =
  | { readonly kind: "key"; readonly key: Key }
  | { readonly kind: "resized"; readonly columns: number; readonly rows: number }
  | {
      readonly kind: "answered";
      readonly pane: PaneName;
      readonly host: string;
      readonly rows: readonly Row[];
      readonly at: number;
    }
  | { readonly kind: "lost"; readonly pane: PaneName; readonly host: string; readonly message: string }
  | { readonly kind: "logged"; readonly host: string; readonly rows: readonly Row[]; readonly at: number }
  | { readonly kind: "opened"; readonly title: string; readonly lines: readonly string[] }
  | { readonly kind: "progress"; readonly text: string }
  | ({ readonly kind: "acted"; readonly lines?: readonly string[]; readonly host: string } & Note);

/** What the view asks for. */
export type Effect =
  | { readonly kind: "leave" | "redraw" | "stop" | "cancel" | "plan" }
  | { readonly kind: "open"; readonly pane: PaneName; readonly entry: Entry; readonly title: string }
  | { readonly kind: "act"; readonly act: Act }
  | { readonly kind: "shell"; readonly host: string };

export interface Next {
  readonly state: LookState;
  readonly effect?: Effect;
}

/** Entries of one journal that are kept. */
const MOST_LOGGED = 2000;

/** The view after `event`, and what it asks for. */
export function next(state: LookState, event: LookEvent): Next {
  const { state: after, ...rest } =
    event.kind === "key" ? pressed(state, event.key) : { state: told(state, event) };
  return { state: settled(after), ...rest };
}

function told(state: LookState, event: Exclude<LookEvent, { kind: "key" }>): LookState {
  switch (event.kind) {
    case "resized":
      return { ...state, columns: event.columns, rows: event.rows };
    case "answered": {
      const { pane, host, rows, at } = event;
      return withAnswer(state, pane, host, () => ({ entries: entriesOf(pane, host, rows), at }));
    }
    case "lost":
      return withAnswer(state, event.pane, event.host, (before) => ({ ...before, error: event.message }));
    case "logged": {
      const { host, rows, at } = event;
      return withAnswer(state, "logs", host, ({ entries }) => ({
        entries: [...entries, ...entriesOf("logs", host, rows)].slice(-MOST_LOGGED),
        at,
      }));
    }
    case "opened":
      return state.detail?.title === event.title
        ? { ...state, detail: { ...state.detail, lines: event.lines } }
        : state;
    case "progress":
      return { ...state, running: event.text };
    case "acted": {
      const { host, text, bad = false, lines } = event;
      const detail: Detail | undefined = lines && { host, title: text, lines, top: 0 };
      return {
        ...state,
        running: undefined,
        stopping: false,
        note: { text, bad },
        ...(detail && { detail }),
      };
    }
  }
}

function withAnswer(
  state: LookState,
  pane: PaneName,
  host: string,
  change: (before: Answer) => Answer,
): LookState {
  const { answers } = state.panes[pane];
  return withPane(
    state,
    { answers: new Map(answers).set(host, change(answers.get(host) ?? { entries: [] })) },
    pane,
  );
}

function pressed(before: LookState, key: Key): Next {
  const state = { ...before, note: undefined };
  if (key.name === "ctrl-l") return { state, effect: { kind: "redraw" } };
  if (state.question) return answered(state, state.question, key);
  if (key.name === "ctrl-c") return interrupted(state);
  if (key.name === "ctrl-d") return { state, effect: { kind: "leave" } };
  if (isTooSmall(state)) return key.name === "q" ? { state, effect: { kind: "leave" } } : { state };
  if (state.help) return { state: { ...state, help: false } };
  if (state.filtering) return { state: filtered(state, key) };
  return (
    act(state, key.name) ?? (state.detail ? inDetail(state, state.detail, key.name) : inPane(state, key.name))
  );
}

/** Ctrl-C: the first time what is being done ends after the running step, the second time at once; otherwise the view does. */
function interrupted(state: LookState): Next {
  if (state.running === undefined) return { state, effect: { kind: "leave" } };
  if (state.stopping)
    return { state: { ...state, note: { text: "cancelling the running step" } }, effect: { kind: "cancel" } };
  const note = { text: "stopping after the running step; press Ctrl-C again to cancel that step" };
  return { state: { ...state, stopping: true, note }, effect: { kind: "stop" } };
}

/** Only `y` is a yes. */
const answered = (state: LookState, { act }: { act: Act }, key: Key): Next =>
  key.name === "y"
    ? { state: { ...state, question: undefined }, effect: { kind: "act", act } }
    : { state: { ...state, question: undefined, note: { text: "nothing was done" } } };

function filtered(state: LookState, { name, text }: Key): LookState {
  const { filter } = state.panes[state.pane];
  if (name === "enter") return { ...state, filtering: false };
  if (name === "escape") return { ...withPane(state, { filter: "" }), filtering: false };
  if (name === "backspace") return withPane(state, { filter: [...filter].slice(0, -1).join("") });
  if (name === "ctrl-u") return withPane(state, { filter: "" });
  return withPane(state, { filter: `${filter}${text}`.replaceAll(/\s+/g, " ").slice(0, 200) });
}

/** The keys that mean the same everywhere; undefined for another one. */
function act(state: LookState, key: string): Next | undefined {
  const entry = chosenEntry(state);
  const host = state.detail?.host ?? entry?.host ?? (state.hosts.length === 1 ? state.hosts[0] : undefined);
  const unit = state.detail ? state.detail.unit : entry && unitOf(state.pane, entry);
  const note = (text: string): Next => ({ state: { ...state, note: { text } } });
  switch (key) {
    case "?":
      return { state: { ...state, help: true } };
    case "p":
      return {
        state: { ...state, pane: "properties", detail: undefined },
        effect: { kind: "plan" },
      };
    case "s":
      return host === undefined ? note("choose a host first") : { state, effect: { kind: "shell", host } };
    case "d":
      if (host === undefined) return note("choose a host first");
      return asking(state, `deploy ${host}?`, { kind: "deploy", host });
    case "r":
      if (host === undefined || unit === undefined) return note("r restarts a unit: choose one in services");
      return asking(state, `restart ${unit} on ${host}?`, { kind: "restart", host, unit });
    default:
      return undefined;
  }
}

const asking = (state: LookState, text: string, act: Act): Next =>
  state.running === undefined
    ? { state: { ...state, question: { text, act } } }
    : { state: { ...state, note: { text: `wait: ${state.running}` } } };

function inDetail(state: LookState, detail: Detail, key: string): Next {
  if (["escape", "q", "left", "backspace", "enter"].includes(key))
    return { state: { ...state, detail: undefined } };
  const room = roomOf(state);
  const move = movement(key, room);
  if (move === undefined) return { state };
  const top = move === "first" ? 0 : move === "last" ? Number.MAX_SAFE_INTEGER : detail.top + move;
  return { state: { ...state, detail: { ...detail, top } } };
}

function inPane(state: LookState, key: string): Next {
  const pane = state.panes[state.pane];
  const move = movement(key, roomOf(state));
  if (move !== undefined) {
    const index = move === "first" ? 0 : move === "last" ? Number.MAX_SAFE_INTEGER : pane.index + move;
    return { state: choose(state, index) };
  }
  const [number] = /^[1-9]$/.exec(key) ?? [];
  if (number !== undefined) return { state: { ...state, pane: PANES[Number(number) - 1] ?? state.pane } };
  const at = PANES.indexOf(state.pane);
  switch (key) {
    case "tab":
    case "right":
      return { state: { ...state, pane: PANES[(at + 1) % PANES.length] as PaneName } };
    case "back-tab":
    case "left":
      return { state: { ...state, pane: PANES[(at + PANES.length - 1) % PANES.length] as PaneName } };
    case "/":
      return { state: { ...state, filtering: true } };
    case "escape":
      return {
        state: pane.filter === "" ? { ...state, only: undefined } : withPane(state, { filter: "" }),
      };
    case "enter":
      return opened(state);
    case "q":
      return { state, effect: { kind: "leave" } };
    default:
      return { state };
  }
}

function opened(state: LookState): Next {
  const entry = chosenEntry(state);
  if (!entry) return { state };
  const { host, row } = entry;
  const { pane } = state;
  if (pane === "hosts") return { state: { ...state, only: host, pane: "properties" } };
  const unit = unitOf(pane, entry);
  const title = `${unit ?? panes[pane].title(row)} on ${host}`;
  const detail: Detail = { host, title, lines: undefined, top: 0, ...(unit !== undefined && { unit }) };
  return { state: { ...state, detail }, effect: { kind: "open", pane, entry, title } };
}

/** How far a key moves. */
function movement(key: string, room: number): number | "first" | "last" | undefined {
  switch (key) {
    case "up":
    case "k":
      return -1;
    case "down":
    case "j":
      return 1;
    case "page-up":
      return -room;
    case "page-down":
    case " ":
      return room;
    case "home":
    case "g":
      return "first";
    case "end":
    case "G":
      return "last";
    default:
      return undefined;
  }
}
