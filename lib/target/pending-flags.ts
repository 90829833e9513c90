import type { State } from "../model/target";

/** How a target stores flags. */
export interface FlagStore {
  list(): Promise<readonly string[]>;
  /** Atomic: afterwards the whole flag is there, or none. */
  write(name: string, text: string): Promise<void>;
  /** Does nothing if there is no such flag. With `tidy`, empty directories of flags are removed, too. */
  remove(name: string, tidy: boolean): Promise<void>;
}

/** Flags, listed once per deployment. */
export class PendingFlags implements State {
  readonly #memory: Map<string, unknown>;
  readonly #store: FlagStore;

  constructor(memory: Map<string, unknown>, store: FlagStore) {
    this.#memory = memory;
    this.#store = store;
  }

  async has(name: string): Promise<boolean> {
    return (await this.#known()).has(checked(name));
  }

  async set(name: string, text: string): Promise<void> {
    await this.#store.write(checked(name), text);
    await this.#note((known) => known.add(name));
  }

  async clear(name: string, { tidy = false }: { readonly tidy?: boolean } = {}): Promise<void> {
    await this.#store.remove(checked(name), tidy);
    await this.#note((known) => known.delete(name));
  }

  #known(): Promise<Set<string>> {
    const known = this.#memory.get(KNOWN) as Promise<Set<string>> | undefined;
    if (known) return known;
    const looking = this.#store.list().then((names) => new Set(names));
    this.#memory.set(KNOWN, looking);
    looking.catch(() => this.#memory.delete(KNOWN));
    return looking;
  }

  /** Does nothing before the first listing, which will see the change. */
  async #note(change: (known: Set<string>) => void): Promise<void> {
    const known = this.#memory.get(KNOWN) as Promise<Set<string>> | undefined;
    if (known) change(await known);
  }
}

const KNOWN = "target/flags";

function checked(name: string): string {
  if (/^\w[\w.-]{0,99}$/.test(name)) return name;
  throw new TypeError(
    `a flag cannot be called ${JSON.stringify(name)}; use letters, digits, dots, dashes and underscores`,
  );
}
