import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type HostStream, streamOf } from "../controller/streams";
import { ConnectionFailed } from "../model/errors";
import type { Hop } from "../model/hop";
import type { Row } from "../model/rows";
import type { Seen } from "../model/seen";
import { type Line, LineBytes } from "./_line-bytes";

/** What is seen of a source: a row, or a message about the following itself. */
export type FromSource<R> = { readonly at: string; readonly row: R } | { readonly message: string };

/** Something on one host that is followed. It remembers how far that has come, so that it can be continued. */
export interface FollowedSource<R extends Row> {
  /** The command that continues where the lines so far have ended: with all that the host has since then. */
  command(): string;
  /** What a line of its output shows. */
  take(line: Line): Iterable<FromSource<R>>;
  /** The command has ended by itself, without a complaint: why nothing more can be followed; undefined when another is to go on. */
  ended(): string | undefined;
}

/** The seconds before the first attempts to reconnect; the last one for all further ones. */
const PAUSES_S = [1, 2, 5, 10, 20, 30];

/**
 * Follows `source` on `host` until `signal` aborts. A lost link is seen as "lost", and opened again after growing pauses; then it
 * is "back". Rejects when it cannot be followed, or the first link cannot be opened.
 */
export async function following<R extends Row>(
  host: string,
  chain: readonly Hop[],
  source: FollowedSource<R>,
  see: (seen: Seen<R>) => void,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let hasBegun = false;
  let isLost = false;
  const now = () => new Date().toISOString();
  while (!signal.aborted) {
    try {
      const stream = await streamOf(host, chain, source.command(), signal);
      if (isLost) see({ host, at: now(), change: "back" });
      [hasBegun, isLost] = [true, false];
      stream.output.once("data", () => {
        failures = 0;
      });
      await allOf(stream, host, source, see, signal);
      const why = signal.aborted ? undefined : source.ended();
      if (why !== undefined) throw new Error(why);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ConnectionFailed) || !hasBegun) throw error;
      if (!isLost)
        see({
          host,
          at: now(),
          change: "lost",
          message: `${error.message}; connecting again until it answers`,
        });
      isLost = true;
      const seconds = PAUSES_S[Math.min(failures, PAUSES_S.length - 1)] ?? 0;
      failures += 1;
      await sleep(seconds * 1000, undefined, { signal }).catch(() => {}); // it was stopped
    }
  }
}

/** Resolves when `signal` aborts or the command has ended; then it runs no longer. Rejects with what it complained of. */
async function allOf<R extends Row>(
  stream: HostStream,
  host: string,
  source: FollowedSource<R>,
  see: (seen: Seen<R>) => void,
  signal: AbortSignal,
): Promise<void> {
  const lines = new LineBytes();
  const take = (complete: Iterable<Line>) => {
    for (const line of complete)
      for (const found of signal.aborted ? [] : source.take(line))
        see(
          "row" in found
            ? { host, change: "new", ...found }
            : { host, change: "noted", at: new Date().toISOString(), ...found },
        );
  };
  const receive = (piece: Buffer) => take(lines.take(piece));
  stream.output.on("data", receive);
  const printed = once(stream.output, "end", { signal }).catch(() => {}); // it was stopped
  const listening = new AbortController();
  const stopping = signal.aborted ? [] : once(signal, "abort", { signal: listening.signal });
  try {
    await Promise.race([stopping, stream.ended]);
    await printed;
    take(lines.end());
  } finally {
    Promise.resolve(stopping).catch(() => {}); // it is no longer listened for
    listening.abort();
    stream.output.off("data", receive);
    await stream.close();
  }
}
