import type { HostModel } from "../model/host-facts";

/**
 * The hosts that are being prepared, by name: a host that inspects itself through another finds its facts so far. Other
 * inspected hosts are memoised until the outermost preparation ends: hosts that inspect each other would otherwise be
 * prepared exponentially often.
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

  /** The result or the error of `prepare` for `host`, called once. */
  once(host: unknown, prepare: () => HostModel): HostModel {
    const seen = this.#seen.get(host) ?? memoised(prepare);
    if (this.#models.size > 0) this.#seen.set(host, seen);
    return seen();
  }
}

function memoised(prepare: () => HostModel): () => HostModel {
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
