import { refuseArguments } from "../model/errors";
import type { Hop } from "../model/hop";
import type { Row } from "../model/rows";
import type { Seen } from "../model/seen";
import type { LogEntry, LogOptions } from "../tables/logs";
import { tryOrUndefined } from "../util/attempt";
import { type FileLine, FollowedFile } from "./_followed-file";
import { FollowedJournal } from "./_followed-journal";
import { type FollowedSource, following } from "./_following";
import { hopsTo } from "./_subjects";
import type { Subject } from "./planned";
import { Watch } from "./watching";

export type { FileLine };

/** Which entries of the journal are followed. */
export interface FollowOptions extends Omit<LogOptions, "lines"> {
  /** The newest so many come first. Default: 10; with `since`, all of them; with `grep` alone, none, and it cannot be given. */
  readonly lines?: number;
}

/** Which lines of files are followed. */
export interface FollowFileOptions {
  /** The newest so many of each file come first. Default: 10. */
  readonly lines?: number;
  /** Only those that match this regular expression (JavaScript). */
  readonly grep?: string;
}

/** sshd(8) allows ten sessions in a connection. */
const MOST_FILES = 5;

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
  const options = { ...which, ...(first !== undefined && { lines: first }) };
  return watchOf(subjects, hops, () => [new FollowedJournal(options)], silent);
}

/** Follows the files `paths` of `subjects`. Throws `InvalidArguments`. */
export function followFiles(
  subjects: readonly Subject[],
  hops: readonly Hop[],
  paths: readonly string[],
  { lines = 10, grep }: FollowFileOptions = {},
): Watch<FileLine> {
  const wrong = paths.filter((each) => typeof each !== "string" || !/^\/[^\0\n]*$/.test(each));
  const pattern = grep === undefined ? undefined : tryOrUndefined(() => new RegExp(grep, "u"));
  refuseArguments(
    "follow",
    [
      ...wrong.map(
        (each) => `expected absolute paths, such as "/var/log/syslog"; got ${JSON.stringify(each)}`,
      ),
      ...(paths.length === 0 || paths.length > MOST_FILES
        ? [`${paths.length} files are given; from one to ${MOST_FILES} can be followed together`]
        : []),
      ...(grep !== undefined && !pattern ? [`grep is no regular expression of JavaScript: ${grep}`] : []),
      ...(Number.isInteger(lines) && lines >= 0
        ? []
        : [`lines is ${lines}; it is a number of lines, at least 0`]),
    ],
    followFiles,
  );
  return watchOf(subjects, hops, () => paths.map((path) => new FollowedFile(path, lines, pattern)));
}

/** `sources`: those of one host. */
const watchOf = <R extends Row>(
  subjects: readonly Subject[],
  hops: readonly Hop[],
  sources: () => readonly FollowedSource<R>[],
  silent = false,
): Watch<R> =>
  new Watch(async (see, signal) => {
    await Promise.all(
      subjects.flatMap((subject) => {
        const link = new SharedLink(see);
        return sources().map(async (source) => {
          try {
            await following(subject.name, hopsTo(subject, hops), source, link.see, signal);
          } catch (error) {
            link.fail(subject.name, (error as Error).message);
          }
        });
      }),
    );
  }, silent);

/** Several sources of a host have one link: what happens to it is seen once. */
class SharedLink<R> {
  #isLost = false;
  readonly #failures = new Set<string>();

  constructor(private readonly to: (seen: Seen<R>) => void) {}

  readonly see = (seen: Seen<R>): void => {
    const { change } = seen;
    if (change === "lost" || change === "back") {
      if (this.#isLost === (change === "lost")) return;
      this.#isLost = change === "lost";
    }
    this.to(seen);
  };

  /** A source is not followed any longer. */
  fail(host: string, message: string): void {
    if (this.#failures.has(message)) return;
    this.#failures.add(message);
    this.to({ host, at: new Date().toISOString(), change: "lost", message });
  }
}
