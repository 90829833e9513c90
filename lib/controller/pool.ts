import { LRUCache } from "lru-cache";
import { HopStack } from "../connection/hop-stack";
import { localConnection } from "../connection/local";
import type { Connection } from "../model/connection";
import { type Hop, type HopContext, hopAsCode } from "../model/hop";

/** An unused connection is closed after this time. */
const IDLE_MS = 10 * 60 * 1000;
/** The maximum number of open chains of hops. */
const MAX_OPEN = 256;

interface Chain {
  readonly host: string;
  readonly hops: readonly Hop[];
  readonly stack: HopStack;
  users: number;
  /** Set when it is no longer in the pool: it is closed with its last user, and settles then. */
  closing?: PromiseWithResolvers<void>;
}

/** A chain of hops in use. `release` returns it to the pool for the next deployment. */
export interface Lease {
  readonly connection: Connection;
  release(): void;
}

/** Keeps connections open between deployments, and closes them when they have been idle for a while. */
export class ConnectionPool {
  readonly #open = new Map<string, Opening>();
  readonly #kept = new LRUCache<string, Chain>({
    max: MAX_OPEN,
    ttl: IDLE_MS,
    ttlAutopurge: true,
    updateAgeOnGet: true,
    dispose: (chain) => drop(chain),
  });

  /** A lease of the chain `hops` to the host of `context`, opened if needed. Throws `ConnectionFailed`. */
  async lease(hops: readonly Hop[], context: Omit<HopContext, "parent">): Promise<Lease> {
    const key = keyOf(hops, context.host.name);
    const chain = await this.#chain(key, hops, context);
    chain.users += 1;
    let released = false;
    return {
      connection: chain.stack.top,
      release: () => {
        if (released) return;
        released = true;
        chain.users -= 1;
        if (chain.users === 0) closeDropped(chain);
      },
    };
  }

  /** Whether the chain `hops` to `host` is open, and its link alive. */
  isOpen(hops: readonly Hop[], host: string): boolean {
    return this.#kept.peek(keyOf(hops, host))?.stack.alive === true;
  }

  /** Every open chain whose link is alive, with its innermost connection. */
  open(): { host: string; hops: readonly Hop[]; connection: Connection }[] {
    return [...this.#kept.values()].flatMap(({ host, hops, stack: { top } }) =>
      hops.length > 0 && top.alive ? [{ host, hops, connection: top }] : [],
    );
  }

  /** Keeps the chain `hops` to `host` open while nobody uses it. */
  keep(hops: readonly Hop[], host: string): void {
    const key = keyOf(hops, host);
    const chain = this.#kept.peek(key);
    if (chain) this.#kept.set(key, chain, { ttl: 0 });
  }

  /** Closes the chain `hops` to `host`, once nobody uses it any longer. */
  async end(hops: readonly Hop[], host: string): Promise<void> {
    const key = keyOf(hops, host);
    const chain = this.#kept.peek(key);
    this.#kept.delete(key);
    await chain?.closing?.promise;
  }

  async close(): Promise<void> {
    const chains = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.allSettled(chains.map(({ stack }) => stack.close()));
  }

  async #chain(key: string, hops: readonly Hop[], context: Omit<HopContext, "parent">): Promise<Chain> {
    const kept = this.#kept.get(key);
    if (kept?.stack.alive) {
      for (const hop of hops)
        context.progress({ kind: "hop-opened", hop: hopAsCode(hop), ms: 0, reused: true });
      return kept;
    }
    this.#kept.delete(key);
    // Deployments that start at the same time share one opening.
    const underWay = this.#open.get(key);
    const opening = underWay && !underWay.aborted ? underWay : this.#begin(key, hops, context);
    return opening.shared(context.signal);
  }

  #begin(key: string, hops: readonly Hop[], context: Omit<HopContext, "parent">): Opening {
    const opening = new Opening(hops, context);
    this.#open.set(key, opening);
    opening.chain
      .then(
        (chain) => void this.#kept.set(key, chain),
        () => {},
      )
      .finally(() => this.#open.get(key) === opening && this.#open.delete(key));
    return opening;
  }
}

/** One attempt to open a chain, shared by all that wait for it. It is aborted when none of them waits any longer. */
class Opening {
  readonly chain: Promise<Chain>;
  readonly #abort = new AbortController();
  #waiting = 0;

  constructor(hops: readonly Hop[], context: Omit<HopContext, "parent">) {
    this.chain = openAll(hops, { ...context, signal: this.#abort.signal });
  }

  /** True: nobody waits for it any longer, so it may still be ending, and must not be joined. */
  get aborted(): boolean {
    return this.#abort.signal.aborted;
  }

  /** The chain. Rejects when `signal` is aborted first. */
  shared(signal: AbortSignal): Promise<Chain> {
    this.#waiting += 1;
    return new Promise<Chain>((settle, fail) => {
      const leave = () => {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#abort.abort(signal.reason);
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
  return { host: context.host.name, hops, stack, users: 0 };
}

function drop(chain: Chain): void {
  chain.closing ??= Promise.withResolvers();
  if (chain.users === 0) closeDropped(chain);
}

function closeDropped({ stack, closing }: Chain): void {
  if (closing) void stack.close().then(closing.resolve);
}

const keyOf = (hops: readonly Hop[], host: string): string =>
  JSON.stringify([host, ...hops.map(({ hop, args }) => [hop, args])]);
