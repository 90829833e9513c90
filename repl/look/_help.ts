import { wrapped } from "../_layout";

/** The keys of `.look`, for a screen of this width. */
export const helpLines = (columns: number): string[] => [
  "",
  ...KEYS.flatMap(([keys, does]) => {
    const [first = "", ...more] = wrapped(does, " ".repeat(WIDTH), columns).split("\n");
    return [`  ${keys}`.padEnd(WIDTH) + first.slice(WIDTH), ...more];
  }),
];

const WIDTH = 21;

const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ["1 to 8, Tab, ← →", "another pane"],
  ["↑ ↓, Page, g G", "another row"],
  [
    "Enter",
    "open: a host, alone; a unit, with its log and file; a file, with what a deployment would change; a property, with its documentation",
  ],
  ["/", "show only rows with these words; Escape shows all again"],
  ["Escape", "back; where one host is shown alone, all of them"],
  ["p", "plan anew: what a deployment would change"],
  ["d", "deploy the host of the row, after a question"],
  ["r", "restart the unit of the row, after a question"],
  ["s", "a shell on the host of the row; exit comes back here"],
  ["Ctrl-C", "stop what is being done; otherwise leave"],
  ["Ctrl-L", "draw everything again"],
  ["q", "leave"],
];
