import { setTimeout as sleep } from "node:timers/promises";
import type { Channel } from "../model/connection";

/**
 * When a signal is sent again to a command that has not ended. One that arrives while the shell of the command is starting
 * it can be lost: the shell catches it, and its child does not exist yet.
 */
const REPEATS_MS = [1000, 2000, 4000, 8000];
/** From this repetition on, SIGTERM becomes SIGKILL. */
const ESCALATED = 2;

/** Time that commands have to end when their connection is closed. */
const CLOSE_GRACE_MS = 1000;

/** The commands now running over a connection. */
export class RunningCommands {
  readonly #channels = new Set<Channel>();

  /** Tracks `channel` until it has ended, and returns it; its signals are repeated until it ends. */
  add(channel: Channel): Channel {
    const tracked = { ...channel, kill: persistent(channel) };
    this.#channels.add(tracked);
    const remove = () => this.#channels.delete(tracked);
    channel.exit.then(remove, remove);
    return tracked;
  }

  /** Sends SIGTERM to all, waits up to `CLOSE_GRACE_MS`, and sends SIGKILL to those still running. */
  async end(): Promise<void> {
    const all = [...this.#channels];
    for (const channel of all) channel.kill();
    await within(CLOSE_GRACE_MS, Promise.allSettled(all.map(({ exit }) => exit)));
    for (const channel of this.#channels) channel.kill("SIGKILL");
  }
}

/** Sends a signal to the command of `channel`, and again until it has ended, or another signal is sent. */
function persistent(channel: Channel): Channel["kill"] {
  let ended = false;
  let newest = 0;
  const note = () => {
    ended = true;
  };
  channel.exit.then(note, note);
  return (signal = "SIGTERM") => {
    newest += 1;
    const own = newest;
    const sent = channel.kill(signal);
    void (async () => {
      for (const [index, ms] of REPEATS_MS.entries()) {
        await sleep(ms, undefined, { ref: false });
        if (ended || own !== newest) return;
        void channel.kill(signal === "SIGTERM" && index >= ESCALATED ? "SIGKILL" : signal);
      }
    })();
    return sent;
  };
}

/** `promise`, or undefined when it takes longer than `ms`. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
