import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import path from "node:path";
import type { StepEvent } from "../../model/events";
import type { JournalLine } from "../shared/journal-line";
import type { AgentDirectory } from "./directory";

/** How many journals are kept on a host. */
const KEPT_JOURNALS = 50;

/** What happened in one deployment, line by line, on the host itself: for whoever lost the link, and for later. */
export class Journal {
  readonly #file: number | undefined;

  /** Throws when there is one of `deployment` already: it has begun elsewhere. */
  constructor(place: AgentDirectory, deployment: string) {
    for (const old of oldest(place)) rmSync(old, { force: true });
    this.#file = unlessFull(() => openSync(place.journal(deployment), "ax", 0o600));
  }

  write(...lines: JournalLine[]): void {
    const file = this.#file;
    if (file === undefined) return;
    unlessFull(() => writeSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}

/** A full disk must not stop the work that may be there to free it. */
function unlessFull<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (["ENOSPC", "EDQUOT", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** The lines of the journal of `deployment` so far; undefined when there is none. */
export function readJournal(place: AgentDirectory, deployment: string): JournalLine[] | undefined {
  let text: string;
  try {
    text = readFileSync(place.journal(path.basename(deployment)), "utf8");
  } catch {
    return undefined;
  }
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as JournalLine];
    } catch {
      // The last one may be half written, and so may one that met a full disk.
      return [];
    }
  });
}

/** The events from the one numbered `from` on, in runs without a gap. */
export function eventsFrom(
  lines: readonly JournalLine[],
  from: number,
): { first: number; events: StepEvent[] }[] {
  const runs: { first: number; events: StepEvent[] }[] = [];
  for (const line of lines) {
    if (!("event" in line) || line.n < from) continue;
    const last = runs.at(-1);
    if (last && last.first + last.events.length === line.n) last.events.push(line.event);
    else runs.push({ first: line.n, events: [line.event] });
  }
  return runs;
}

function oldest(place: AgentDirectory): string[] {
  const journals = readdirSync(place.journals).map((name) => path.join(place.journals, name));
  if (journals.length < KEPT_JOURNALS) return [];
  return journals
    .map((file) => ({ file, at: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.at - a.at)
    .slice(KEPT_JOURNALS - 1)
    .map(({ file }) => file);
}
