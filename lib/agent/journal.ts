import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import path from "node:path";
import type { StepEvent } from "../events";
import type { JobOutcome } from "./messages";
import type { Place } from "./place";

/** How many journals are kept on a host. */
const KEPT_JOURNALS = 50;

export type JournalLine =
  | {
      readonly started: {
        readonly host: string;
        readonly by: string;
        readonly at: string;
        readonly socket: string;
      };
    }
  | { readonly event: StepEvent }
  | { readonly outcome: JobOutcome };

/** What happened in one deployment, line by line, on the host itself: for whoever lost the link, and for later. */
export class Journal {
  readonly #file: number;

  constructor(place: Place, deployment: string) {
    for (const old of oldest(place)) rmSync(old, { force: true });
    this.#file = openSync(place.journal(deployment), "ax", 0o600);
  }

  write(...lines: JournalLine[]): void {
    try {
      writeSync(this.#file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    } catch {
      // A full disk must not stop the work that may be there to free it.
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The lines of the journal of `deployment` so far; undefined when there is none. */
export function readJournal(place: Place, deployment: string): JournalLine[] | undefined {
  let text: string;
  try {
    text = readFileSync(place.journal(path.basename(deployment)), "utf8");
  } catch {
    return undefined;
  }
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole.split("\n").filter(Boolean).flatMap(lineOf);
}

/** None for a line that a full disk has torn: what comes after it is worth reading. */
function lineOf(text: string): JournalLine[] {
  try {
    return [JSON.parse(text) as JournalLine];
  } catch {
    return [];
  }
}

function oldest(place: Place): string[] {
  const journals = readdirSync(place.journals).map((name) => path.join(place.journals, name));
  if (journals.length < KEPT_JOURNALS) return [];
  return journals
    .map((file) => ({ file, at: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.at - a.at)
    .slice(KEPT_JOURNALS - 1)
    .map(({ file }) => file);
}
