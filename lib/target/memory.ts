/** Under this name: what is applied in the deployment, a `Nested` without hops. */
export const WORK = "deployment.work";

/** A memory in which some things stand that the one around it does not have. What is learned goes to that one. */
export class InnerMemory extends Map<string, unknown> {
  readonly #around: Map<string, unknown>;

  constructor(around: Map<string, unknown>, own: Readonly<Record<string, unknown>>) {
    super(Object.entries(own));
    this.#around = around;
  }

  override get(key: string): unknown {
    return super.has(key) ? super.get(key) : this.#around.get(key);
  }

  override has(key: string): boolean {
    return super.has(key) || this.#around.has(key);
  }

  override set(key: string, value: unknown): this {
    // While it is filled by its constructor there is nothing around it yet.
    if (!(#around in this) || super.has(key)) return super.set(key, value);
    this.#around.set(key, value);
    return this;
  }

  override delete(key: string): boolean {
    return super.has(key) ? super.delete(key) : this.#around.delete(key);
  }
}
