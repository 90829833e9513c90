import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { streamOf } from "../controller/streams";
import { refuseArguments } from "../model/errors";
import type { Hop } from "../model/hop";
import type { Seen } from "../model/seen";
import { entryOf, journalctl, type LogEntry, type LogOptions } from "../tables/logs";
import { visibleText } from "../util/clean-text";
import { shellQuote } from "../util/shell-quote";
import { hopsTo } from "./_subjects";
import type { Subject } from "./planned";
import { Watch } from "./watching";

/** Which entries of the journal are followed. */
export interface FollowOptions extends Omit<LogOptions, "lines"> {
  /** The newest so many come first. Default: 10; with `since`, all of them; with `grep` alone, none, and it cannot be given. */
  readonly lines?: number;
}

/** A longer line of a host is left out, in characters. */
const MOST_IN_LINE = 1024 * 1024;

/** Follows the journals of `subjects`. `silent`: whoever calls shows them. Throws `InvalidArguments`. */
export function follow(
  subjects: readonly Subject[],
  hops: readonly Hop[],
  { lines, ...which }: FollowOptions = {},
  silent = false,
): Watch<LogEntry> {
  refuseArguments(
    "follow",
    lines !== undefined && which.grep !== undefined
      ? [
          "lines and grep are given, and journalctl counts lines before it looks for matches; write since instead",
        ]
      : [],
    follow,
  );
  const wanted = which.grep === undefined ? 10 : 0;
  const first = lines ?? (which.since === undefined ? wanted : undefined);
  const command = shellQuoted([
    ...journalctl({ ...which, ...(first !== undefined && { lines: first }) }),
    "--follow",
  ]);
  return new Watch(async (see, signal) => {
    await Promise.all(
      subjects.map(async (subject) => {
        try {
          await followOne(subject, hopsTo(subject, hops), command, see, signal);
        } catch (error) {
          const lost = { host: subject.name, at: new Date().toISOString(), change: "lost" } as const;
          if (!signal.aborted) see({ ...lost, message: (error as Error).message });
        }
      }),
    );
  }, silent);
}

const shellQuoted = (words: readonly string[]): string => words.map((word) => shellQuote(word)).join(" ");

/** Resolves when `signal` aborts and the command has ended. */
async function followOne(
  { name: host }: Subject,
  chain: readonly Hop[],
  command: string,
  see: (seen: Seen<LogEntry>) => void,
  signal: AbortSignal,
): Promise<void> {
  const stream = await streamOf(host, chain, command, signal);
  const stopping = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  eachLine(stream.output, (line) => {
    const row = signal.aborted ? undefined : rowOf(line);
    if (row) see({ host, at: row.time, change: "new", row });
  });
  try {
    await Promise.race([stopping, stream.ended]);
  } finally {
    await stream.close();
  }
  if (!signal.aborted) throw new Error("journalctl has ended");
}

/** Undefined for what is no entry. */
function rowOf(line: string): LogEntry | undefined {
  try {
    const entry = entryOf(JSON.parse(line) as Record<string, unknown>);
    const clean = (text: string | null) => text && visibleText(text);
    return {
      time: entry.time,
      priority: entry.priority,
      unit: clean(entry.unit),
      program: clean(entry.program),
      message: clean(entry.message) ?? "",
    };
  } catch {
    return undefined;
  }
}

/** Calls `take` with each line of `input`, except those that are too long. */
function eachLine(input: Readable, take: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let begun = "";
  let isTooLong = false;
  input.on("data", (chunk: Buffer) => {
    const [first = "", ...others] = decoder.write(chunk).split("\n");
    begun = isTooLong ? "" : begun + first;
    for (const next of others) {
      if (!isTooLong) take(begun);
      isTooLong = false;
      begun = next;
    }
    isTooLong ||= begun.length > MOST_IN_LINE;
  });
}
