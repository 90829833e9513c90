import type { State } from "../model/target";

/** How a target keeps marks. */
export interface FlagStore {
  list(): Promise<readonly string[]>;
  /** In one step: the mark is there afterwards, or not at all. */
  write(name: string, text: string): Promise<void>;
  /** It may be gone already. */
  remove(name: string): Promise<void>;
}

/** Marks, looked up once a deployment. */
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

  async clear(name: string): Promise<void> {
    await this.#store.remove(checked(name));
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

  /** Nobody has looked yet: then whoever does will see it. */
  async #note(change: (known: Set<string>) => void): Promise<void> {
    const known = this.#memory.get(KNOWN) as Promise<Set<string>> | undefined;
    if (known) change(await known);
  }
}

const KNOWN = "target/marks";

function checked(name: string): string {
  if (/^\w[\w.-]{0,99}$/.test(name)) return name;
  throw new TypeError(
    `a mark cannot be called ${JSON.stringify(name)}; use letters, digits, dots, dashes and underscores`,
  );
}
