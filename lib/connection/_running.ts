import type { Channel } from "../model/connection";

/** How long commands may take to end when their connection is closed. */
const CLOSE_GRACE_MS = 1000;

/** The commands that run over a connection now. */
export class Running {
  readonly #channels = new Set<Channel>();

  /** `channel`, known until it has ended. */
  add(channel: Channel): Channel {
    this.#channels.add(channel);
    const over = () => this.#channels.delete(channel);
    channel.exit.then(over, over);
    return channel;
  }

  /** All have been told to end, and had `PATIENCE_MS` for it; those that are left are being killed. */
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
