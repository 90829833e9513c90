import type { HostModel } from "./host";

/** The hosts that are being prepared now, by name: one that looks at itself through another finds what it knows so far. */
class UnderWay {
  readonly #models = new Map<string, HostModel>();

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
    }
  }
}

export const underWay = new UnderWay();
