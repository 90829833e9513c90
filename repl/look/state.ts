import { cellText } from "../../lib/explore/cells";
import { type Entry, entriesOf, PANES, type PaneName } from "./panes";

/** What one host has answered for one pane. */
export interface Answer {
  readonly entries: readonly Entry[];
  /** When, as `Date.now()`; undefined before the first answer. */
  readonly at?: number;
  /** Why it does not answer now; the entries are those of `at` then. */
  readonly error?: string;
}

export interface PaneState {
  /** By host. */
  readonly answers: ReadonlyMap<string, Answer>;
  /** The key of the chosen entry; undefined: the first, in a journal the last, whatever comes. */
  readonly chosen: string | undefined;
  /** The place of the chosen entry among those that are shown. */
  readonly index: number;
  /** The first entry on the screen. */
  readonly top: number;
  readonly filter: string;
}

/** Something that was opened. */
export interface Detail {
  readonly host: string;
  /** The unit that `r` restarts. */
  readonly unit?: string;
  readonly title: string;
  /** Undefined while it is asked for. */
  readonly lines: readonly string[] | undefined;
  /** The first line on the screen. */
  readonly top: number;
}

/** What a key does to a host, once it was confirmed. */
export type Act =
  | { readonly kind: "deploy"; readonly host: string }
  | { readonly kind: "restart"; readonly host: string; readonly unit: string };

export interface Note {
  readonly text: string;
  readonly bad?: boolean;
}

/** Everything that is on the screen. */
export interface LookState {
  readonly hosts: readonly string[];
  /** The only host that is shown; undefined: all. */
  readonly only: string | undefined;
  readonly pane: PaneName;
  readonly panes: Readonly<Record<PaneName, PaneState>>;
  readonly detail: Detail | undefined;
  readonly help: boolean;
  /** True while the filter is typed. */
  readonly filtering: boolean;
  /** What waits for a yes. */
  readonly question: { readonly text: string; readonly act: Act } | undefined;
  /** What is being done. */
  readonly running: string | undefined;
  /** True: it starts no further step. */
  readonly stopping: boolean;
  readonly note: Note | undefined;
  readonly columns: number;
  readonly rows: number;
}

const EMPTY: PaneState = { answers: new Map(), chosen: undefined, index: 0, top: 0, filter: "" };

/** The view of `hosts` before anything was answered. Of several hosts, the list comes first. */
export const initialState = (hosts: readonly string[], columns: number, rows: number): LookState => ({
  hosts,
  only: undefined,
  pane: hosts.length > 1 ? "hosts" : "properties",
  panes: {
    ...(Object.fromEntries(PANES.map((name) => [name, EMPTY])) as LookState["panes"]),
    hosts: {
      ...EMPTY,
      answers: new Map(
        hosts.map((host) => [host, { entries: entriesOf("hosts", host, [{ name: host, state: "asking" }]) }]),
      ),
    },
  },
  detail: undefined,
  help: false,
  filtering: false,
  question: undefined,
  running: undefined,
  stopping: false,
  note: undefined,
  columns,
  rows,
});

/** Smaller terminals show only how to leave. */
export const LEAST = { columns: 40, rows: 10 } as const;
export const isTooSmall = ({ columns, rows }: LookState): boolean =>
  columns < LEAST.columns || rows < LEAST.rows;

/** The hosts that are shown. */
export const shownHosts = ({ hosts, only }: LookState): readonly string[] =>
  only === undefined ? hosts : hosts.filter((host) => host === only);

/** The entries of the pane on the screen that match its filter. */
export function shownEntries(state: LookState): Entry[] {
  const { answers, filter } = state.panes[state.pane];
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  // The list of hosts stays whole, so that another one can be chosen.
  const hosts = state.pane === "hosts" ? state.hosts : shownHosts(state);
  const all = hosts.flatMap((host) => answers.get(host)?.entries ?? []);
  const ordered = state.pane === "logs" && hosts.length > 1 ? all.toSorted(byTime) : all;
  return words.length === 0
    ? ordered
    : ordered.filter((entry) => words.every((word) => textOf(entry).includes(word)));
}

const timeOf = ({ row }: Entry): string => String(row["time"] ?? "");
const byTime = (one: Entry, other: Entry): number =>
  timeOf(one) < timeOf(other) ? -1 : timeOf(one) > timeOf(other) ? 1 : 0;

const textOf = ({ host, row }: Entry): string =>
  [host, ...Object.entries(row).map(([name, cell]) => cellText(name, cell))].join("\n").toLowerCase();

/** The chosen entry of the pane on the screen. */
export const chosenEntry = (state: LookState): Entry | undefined =>
  shownEntries(state)[state.panes[state.pane].index];

/** The hosts of the pane on the screen that do not answer. */
export const unanswered = (state: LookState): { host: string; error: string; at: number | undefined }[] =>
  state.pane === "hosts"
    ? []
    : shownHosts(state).flatMap((host) => {
        const { error, at } = state.panes[state.pane].answers.get(host) ?? {};
        return error === undefined ? [] : [{ host, error, at }];
      });

/** Of more hosts that do not answer than this, the rest is counted. */
export const MOST_ERRORS = 3;
/** The lines above and below: title, tabs, heads of columns; note, keys. */
const FRAME = 5;

/** How many entries, or lines of what was opened, are on the screen. */
export const roomOf = (state: LookState): number =>
  Math.max(1, state.rows - FRAME - (state.detail ? 0 : Math.min(MOST_ERRORS, unanswered(state).length)));

/** `state` with the chosen entry where it is now, and on the screen. */
export function settled(state: LookState): LookState {
  const before = state.panes[state.pane];
  const entries = shownEntries(state);
  const room = roomOf(state);
  const last = Math.max(0, entries.length - 1);
  const rest = state.pane === "logs" ? last : 0;
  const found = entries.findIndex(({ key }) => key === before.chosen);
  const index = before.chosen === undefined ? rest : found >= 0 ? found : Math.min(before.index, last);
  const lowest = Math.max(0, entries.length - room);
  const top = Math.min(lowest, index, Math.max(before.top, index - room + 1));
  const pane = { ...before, index, top };
  const { detail } = state;
  const lines = detail?.lines?.length ?? 0;
  return {
    ...state,
    panes: { ...state.panes, [state.pane]: pane },
    ...(detail && { detail: { ...detail, top: Math.max(0, Math.min(detail.top, lines - room)) } }),
  };
}

/** `state` with the entry at `index` chosen. The end of a journal stays chosen while entries come. */
export function choose(state: LookState, index: number): LookState {
  const entries = shownEntries(state);
  const at = Math.max(0, Math.min(index, entries.length - 1));
  const isRest = state.pane === "logs" ? at >= entries.length - 1 : at === 0;
  return withPane(state, { chosen: isRest ? undefined : entries[at]?.key, index: at });
}

export const withPane = (state: LookState, change: Partial<PaneState>, pane = state.pane): LookState => ({
  ...state,
  panes: { ...state.panes, [pane]: { ...state.panes[pane], ...change } },
});
