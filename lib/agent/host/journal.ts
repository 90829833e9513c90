import { appendFileSync, closeSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import type { StepEvent } from "../../model/events";
import type { JobOutcome } from "../../model/job";
import { newestFirst } from "../../util/newest-first";
import type { JournalLine } from "../shared/journal-line";
import type { AgentDirectory } from "./directory";

/** Number of journals kept on a host. */
const MAX_JOURNALS = 50;

/** The log of one deployment on the host, as JSON lines: for reconnecting controllers, and for `.log`. */
export class Journal {
  readonly #file: number | undefined;

  readonly #path: string;

  /**
   * `passing`: it is removed when the deployment has ended, and nothing makes room for it. Throws when `deployment` has a
   * journal: another worker has started it.
   */
  constructor(
    directory: AgentDirectory,
    deployment: string,
    private readonly passing = false,
  ) {
    this.#path = directory.journal(deployment);
    for (const old of passing ? [] : outdated(directory)) rmSync(old, { force: true });
    this.#file = ignoreFullDisk(() => openSync(this.#path, "ax", 0o600));
  }

  write(...lines: JournalLine[]): void {
    const file = this.#file;
    if (file === undefined) return;
    ignoreFullDisk(() => writeSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
  }

  /** Writes how `deployment` ended when its worker cannot: it is gone. */
  static end(directory: AgentDirectory, deployment: string, line: JournalLine): void {
    // Begins on a line of its own: the worker may have been killed in the middle of one.
    ignoreFullDisk(() => appendFileSync(directory.journal(deployment), `\n${JSON.stringify(line)}\n`));
  }

  /** Keeps every worker from starting `deployment`, which ends with `outcome`. False when one has started it. */
  static prevent(directory: AgentDirectory, deployment: string, outcome: JobOutcome): boolean {
    try {
      const journal = new Journal(directory, deployment);
      journal.write({ outcome });
      journal.close();
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }

  /** Removes it if it was only for the time of the deployment. */
  pass(): void {
    if (this.passing) rmSync(this.#path, { force: true });
  }
}

/** A full or read-only disk must not stop a deployment: it may be the one that frees space. */
function ignoreFullDisk<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (["ENOSPC", "EDQUOT", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** The lines written so far to the journal of `deployment`; undefined when there is none. */
export function readJournal(directory: AgentDirectory, deployment: string): JournalLine[] | undefined {
  let text: string;
  try {
    text = readFileSync(directory.journal(path.basename(deployment)), "utf8");
  } catch {
    return undefined;
  }
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as JournalLine];
    } catch {
      // Incomplete: the last line is being written, or the disk was full.
      return [];
    }
  });
}

/** Characters of events, as JSON, that are sent in one message: a message of a host may not be much larger. */
const MESSAGE_LENGTH = 2 * 1024 * 1024;
/** So that a message does not contain too many values. */
const MESSAGE_EVENTS = 5000;

/** `events`, of which the first is number `first`, in parts that each fit into a message. */
export function* inMessages(
  first: number,
  events: readonly StepEvent[],
): Generator<{ first: number; events: readonly StepEvent[] }> {
  let from = 0;
  let length = 0;
  for (const [index, event] of events.entries()) {
    const own = lengthOf(event);
    if (index > from && (length + own > MESSAGE_LENGTH || index - from >= MESSAGE_EVENTS)) {
      yield { first: first + from, events: events.slice(from, index) };
      from = index;
      length = 0;
    }
    length += own;
  }
  if (from < events.length) yield { first: first + from, events: events.slice(from) };
}

/** Of most events only the text of output is long. */
const lengthOf = (event: StepEvent): number =>
  event.kind === "step-output" ? event.text.length : JSON.stringify(event).length;

/** The deployment whose worker listens at `socket`, with its user and its start; undefined when it has not started. */
export function startedAt(
  directory: AgentDirectory,
  socket: string,
): { readonly deployment: string; readonly by: string; readonly since: number } | undefined {
  for (const name of readdirSync(directory.journals)) {
    const deployment = name.replace(/\.jsonl$/, "");
    const started = readJournal(directory, deployment)?.flatMap((line) =>
      "started" in line ? [line.started] : [],
    )[0];
    if (started?.socket === socket) return { deployment, by: started.by, since: Date.parse(started.at) };
  }
  return undefined;
}

/** The events from number `from` on, in runs without a gap. */
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

function outdated(directory: AgentDirectory): string[] {
  const journals = readdirSync(directory.journals).map((name) => path.join(directory.journals, name));
  if (journals.length < MAX_JOURNALS) return [];
  return newestFirst(journals).slice(MAX_JOURNALS - 1);
}
