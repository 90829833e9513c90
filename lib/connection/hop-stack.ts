import type { Connection } from "../model/connection";
import { Cancelled } from "../model/errors";
import { type Hop, type HopContext, hopAsCode, hopDefinition } from "../model/hop";

type Progress = HopContext["progress"];

/** Open hops, each inside the one before. */
export class HopStack {
  readonly #base: Connection;
  readonly #opened: Connection[] = [];

  /** Opens the first hop over `base`. */
  constructor(base: Connection) {
    this.#base = base;
  }

  /** The innermost connection. */
  get top(): Connection {
    return this.#opened.at(-1) ?? this.#base;
  }

  /** True while every hop is connected. */
  get alive(): boolean {
    return this.#opened.every(({ alive }) => alive);
  }

  /** Opens `hop` over the innermost connection. Throws `ConnectionFailed`, or `Cancelled` when it was ended. */
  async open(hop: Hop, context: Omit<HopContext, "parent">): Promise<Connection> {
    try {
      const connection = await hopDefinition(hop).open(hop.args, { ...context, parent: this.top });
      this.#opened.push(connection);
      return connection;
    } catch (error) {
      // Its own reason does not matter: it failed because it was ended.
      if (context.signal.aborted && context.signal.reason instanceof Cancelled) throw context.signal.reason;
      throw error;
    }
  }

  /** Opens `hops` one after the other; if one fails, closes them all. */
  async openAll(hops: readonly Hop[], context: Omit<HopContext, "parent">): Promise<Connection> {
    try {
      for (const hop of hops) await announcing(hop, context.progress, () => this.open(hop, context));
      return this.top;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Closes the hops, innermost first. */
  async close(): Promise<void> {
    for (const each of this.#opened.splice(0).reverse()) await each.close().catch(() => {});
  }
}

/** Calls `open`, and reports that `hop` is being opened and then that it is open. */
export async function announcing<T>(hop: Hop, progress: Progress, open: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const code = hopAsCode(hop);
  progress({ kind: "hop-opening", hop: code });
  const opened = await open();
  progress({ kind: "hop-opened", hop: code, ms: Math.round(performance.now() - started), reused: false });
  return opened;
}
