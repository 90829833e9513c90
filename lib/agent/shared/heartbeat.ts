/** How often the other end is asked for a sign of life. */
const PING_MS = 4000;
/** The other end is given up when it has been silent for this long, ... */
const SILENCE_MS = 14_000;
/** ... or, after so much was sent that our words wait in buffers, for this long. */
const CONGESTED_MS = 60_000;

export interface HeartbeatOptions {
  /** Bytes that wait to be sent. */
  pending(): number;
  ping(): void;
  /** The other end has been silent for `ms`. Called once. */
  onSilence(ms: number): void;
  /** Milliseconds. */
  readonly silence?: number;
}

export interface Heartbeat {
  /** Something has arrived. */
  heard(): void;
  stop(): void;
}

/** Notices that the other end of a link no longer answers, although the link was not closed. */
export function heartbeat({ pending, ping, onSilence, silence = SILENCE_MS }: HeartbeatOptions): Heartbeat {
  let heard = performance.now();
  let ticked = heard;
  let congested = Number.NEGATIVE_INFINITY;
  const timer = setInterval(
    () => {
      const now = performance.now();
      // We were stopped or busy ourselves: this proves nothing about the other end.
      if (now - ticked > PING_MS * 2) heard = now;
      ticked = now;
      if (pending() > 0) congested = now;
      const silent = now - heard;
      if (silent <= silence || now - congested < CONGESTED_MS) return ping();
      clearInterval(timer);
      onSilence(silent);
    },
    Math.min(PING_MS, silence / 3),
  );
  timer.unref();
  return {
    heard: () => {
      heard = performance.now();
    },
    stop: () => clearInterval(timer),
  };
}
