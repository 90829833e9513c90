import type { Channel } from "../model/connection";

/** Time that commands have to end when their connection is closed. */
const CLOSE_GRACE_MS = 1000;

/** The commands now running over a connection. */
export class RunningCommands {
  readonly #channels = new Set<Channel>();

  /** Tracks `channel` until it has ended, and returns it. */
  add(channel: Channel): Channel {
    this.#channels.add(channel);
    const remove = () => this.#channels.delete(channel);
    channel.exit.then(remove, remove);
    return channel;
  }

  /** Sends SIGTERM to all, waits up to `CLOSE_GRACE_MS`, and sends SIGKILL to those still running. */
  async end(): Promise<void> {
    const all = [...this.#channels];
    for (const channel of all) channel.kill();
    await within(CLOSE_GRACE_MS, Promise.allSettled(all.map(({ exit }) => exit)));
    for (const channel of this.#channels) channel.kill("SIGKILL");
  }
}

/** `promise`, or undefined when it takes longer than `ms`. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
