import { entryOf, journalctl, type LogEntry, type LogOptions } from "../tables/logs";
import { visibleText } from "../util/clean-text";
import { shellQuote } from "../util/shell-quote";
import type { FollowedSource, FromSource } from "./_following";
import type { Line } from "./_line-bytes";

/** The journal of a host. It is continued behind the last entry that came. */
export class FollowedJournal implements FollowedSource<LogEntry> {
  #last: string | undefined;
  /** Set while the first line of a continuation, which is the last entry again, has not come. */
  #expected: string | undefined;
  #began: number | undefined;

  constructor(private readonly options: LogOptions) {}

  command(): string {
    const { since, lines, ...which } = this.options;
    this.#expected = this.#last;
    if (this.#last !== undefined)
      // With the entry itself, which shows that the journal still has all that came after it.
      return quoted([...journalctl(which), `--cursor=${this.#last}`, "--no-tail"]);
    const seconds = Math.ceil((performance.now() - (this.#began ?? 0)) / 1000) + 1;
    // Nothing has come so far: what has, since it began, is new, and the clock of the host may differ.
    if (this.#began !== undefined && since === undefined)
      return quoted([...journalctl({ ...which, since: `-${seconds}s` }), "--no-tail"]);
    this.#began ??= performance.now();
    return quoted(journalctl(this.options));
  }

  *take({ text }: Line): Generator<FromSource<LogEntry>, void, undefined> {
    const found = text === undefined ? undefined : parsed(text);
    if (!found) return;
    const { row, cursor } = found;
    const expected = this.#expected;
    this.#expected = undefined;
    this.#last = cursor ?? this.#last;
    if (expected !== undefined && cursor === expected) return;
    if (expected !== undefined)
      yield {
        message: "entries may be missing here: the journal no longer has those that came after the last one",
      };
    yield { at: row.time, row };
  }

  ended(): string {
    return "journalctl has ended";
  }
}

const quoted = (words: readonly string[]): string =>
  [...words, "--follow"].map((word) => shellQuote(word)).join(" ");

/** Undefined for what is no entry. */
function parsed(line: string): { readonly row: LogEntry; readonly cursor: string | undefined } | undefined {
  try {
    const fields = JSON.parse(line) as Record<string, unknown>;
    const entry = entryOf(fields);
    const clean = (text: string | null) => text && visibleText(text);
    const row = {
      time: entry.time,
      priority: entry.priority,
      unit: clean(entry.unit),
      program: clean(entry.program),
      message: clean(entry.message) ?? "",
    };
    const cursor = fields["__CURSOR"];
    return { row, cursor: typeof cursor === "string" ? cursor : undefined };
  } catch {
    return undefined;
  }
}
