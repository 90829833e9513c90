import { LRUCache } from "lru-cache";
import { HopStack } from "../connection/hop-stack";
import { localConnection } from "../connection/local";
import type { Connection } from "../model/connection";
import { type Hop, type HopContext, hopAsCode } from "../model/hop";

/** How long an unused connection is kept. */
const IDLE_MS = 10 * 60 * 1000;
/** How many chains of hops are kept open. */
const MAX_OPEN = 256;

interface Chain {
  readonly host: string;
  readonly hops: readonly Hop[];
  readonly stack: HopStack;
  users: number;
  dropped: boolean;
}

/** A chain of hops in use. `release` gives it back, to be kept for the next deployment. */
export interface Lease {
  readonly connection: Connection;
  release(): void;
}

/** Connections, kept between deployments and closed when nobody has used them for a while. */
export class ConnectionPool {
  readonly #open = new Map<string, Opening>();
  readonly #kept = new LRUCache<string, Chain>({
    max: MAX_OPEN,
    ttl: IDLE_MS,
    ttlAutopurge: true,
    updateAgeOnGet: true,
    dispose: (chain) => drop(chain),
  });

  /** The chain `said` for the host of `context`, opened unless it is open and alive. Throws `ConnectionFailed`. */
  async lease(said: readonly Hop[], context: Omit<HopContext, "parent">): Promise<Lease> {
    const key = JSON.stringify([context.host.name, ...said.map(({ hop, args }) => [hop, args])]);
    const chain = await this.#chain(key, said, context);
    chain.users += 1;
    let released = false;
    return {
      connection: chain.stack.top,
      release: () => {
        if (released) return;
        released = true;
        chain.users -= 1;
        if (chain.dropped && chain.users === 0) void chain.stack.close();
      },
    };
  }

  /** Every chain that is open and alive, with its innermost connection. */
  open(): { host: string; hops: readonly Hop[]; connection: Connection }[] {
    return [...this.#kept.values()].flatMap(({ host, hops, stack: { top } }) =>
      hops.length > 0 && top.alive ? [{ host, hops, connection: top }] : [],
    );
  }

  async close(): Promise<void> {
    const chains = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.allSettled(chains.map(({ stack }) => stack.close()));
  }

  async #chain(key: string, said: readonly Hop[], context: Omit<HopContext, "parent">): Promise<Chain> {
    const kept = this.#kept.get(key);
    if (kept?.stack.alive) {
      for (const hop of said)
        context.progress({ kind: "hop-opened", hop: hopAsCode(hop), ms: 0, reused: true });
      return kept;
    }
    this.#kept.delete(key);
    // Two deployments that begin at once share the opening.
    let opening = this.#open.get(key);
    if (!opening) {
      opening = new Opening(said, context);
      this.#open.set(key, opening);
      opening.chain
        .then(
          (chain) => void this.#kept.set(key, chain),
          () => {},
        )
        .finally(() => this.#open.delete(key));
    }
    return opening.shared(context.signal);
  }
}

/** One opening, for all that began to want it before it was done. It is given up when none of them wants it any more. */
class Opening {
  readonly chain: Promise<Chain>;
  readonly #abort = new AbortController();
  #wanted = 0;

  constructor(said: readonly Hop[], context: Omit<HopContext, "parent">) {
    this.chain = openAll(said, { ...context, signal: this.#abort.signal });
  }

  /** The chain, unless `signal` is aborted before. */
  shared(signal: AbortSignal): Promise<Chain> {
    this.#wanted += 1;
    return new Promise<Chain>((settle, fail) => {
      const leave = () => {
        this.#wanted -= 1;
        if (this.#wanted === 0) this.#abort.abort(signal.reason);
        fail(signal.reason);
      };
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave, { once: true });
      this.chain.then(settle, fail).finally(() => signal.removeEventListener("abort", leave));
    });
  }
}

async function openAll(hops: readonly Hop[], context: Omit<HopContext, "parent">): Promise<Chain> {
  const stack = new HopStack(localConnection());
  await stack.openAll(hops, context);
  return { host: context.host.name, hops, stack, users: 0, dropped: false };
}

function drop(chain: Chain): void {
  chain.dropped = true;
  if (chain.users === 0) void chain.stack.close();
}
