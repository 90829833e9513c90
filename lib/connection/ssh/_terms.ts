import { Cancelled } from "../../model/errors";
import type { Progress } from "../../model/events";
import type { Asker } from "../../model/hop";

/** How connections are made and kept. */
export interface ConnectOptions {
  /** As written in a consfig, for messages. */
  readonly hop: string;
  readonly connectTimeoutSeconds: number;
  readonly keepaliveSeconds: number;
  readonly ask: Asker | undefined;
  readonly signal: AbortSignal;
  progress(event: Progress): void;
}

/** How many keepalive intervals may pass without a sign of life. */
export const MISSES = 3;

/** What a cancelled attempt ends with. */
export function cancellation({ signal, hop }: ConnectOptions): Error {
  return signal.reason instanceof Cancelled
    ? signal.reason
    : new Cancelled(`${hop}: cancelled while connecting`);
}
