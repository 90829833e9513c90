import type { HostModel } from "../model/host-facts";

/**
 * The hosts that are being prepared now, by name: one that looks at itself through another finds what it knows so far.
 * Whoever else was looked at is remembered until the outermost of them is done: where each host looks at all others,
 * preparing them anew for each that looks would take longer with each host by a factor.
 */
class PreparationCache {
  readonly #models = new Map<string, HostModel>();
  readonly #seen = new Map<unknown, () => HostModel>();

  get(name: string): HostModel | undefined {
    return this.#models.get(name);
  }

  during<T>(name: string, model: HostModel, act: () => T): T {
    const before = this.#models.get(name);
    this.#models.set(name, model);
    try {
      return act();
    } finally {
      if (before) this.#models.set(name, before);
      else this.#models.delete(name);
      if (this.#models.size === 0) this.#seen.clear();
    }
  }

  /** What `prepare` gives or throws for `host`, asked once. */
  once(host: unknown, prepare: () => HostModel): HostModel {
    const seen = this.#seen.get(host) ?? settled(prepare);
    if (this.#models.size > 0) this.#seen.set(host, seen);
    return seen();
  }
}

function settled(prepare: () => HostModel): () => HostModel {
  try {
    const model = prepare();
    return () => model;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

export const preparationCache = new PreparationCache();
