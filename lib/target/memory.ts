import { isCarried } from "../model/carried";

/** The key of what the deployment applies: a `Nested` without hops. */
export const WORK = "deployment.work";

/** The key of a function: when the deployment began to hold the host; `Infinity` while it waits for another one. */
export const HELD_SINCE = "deployment.heldSince";

/** The key of a flag: true when nobody started the deployment, which repeats itself. */
export const UNATTENDED = "deployment.unattended";

/** Whether the deployment repeats itself, as with `cron.runsConfigurator`: nobody has just changed or checked anything. */
export const isUnattended = ({ memory }: { readonly memory: ReadonlyMap<string, unknown> }): boolean =>
  memory.get(UNATTENDED) === true;

/** The keys of temporary files and directories in use. */
export const TEMPORARIES = "target/temporaries";

/** Deletes from `memory` what was learnt about the host: all but what the deployment itself and its parts need to know. */
export function forgetLearnt(memory: Map<string, unknown>): void {
  for (const key of memory.keys())
    if (key !== TEMPORARIES && !key.startsWith("deployment.") && !isCarried(key)) memory.delete(key);
}

/** A memory with some entries of its own. Everything else is read from, and written to, the one around it. */
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

  override keys(): MapIterator<string> {
    return new Set([...super.keys(), ...this.#around.keys()]).values();
  }

  override set(key: string, value: unknown): this {
    // The constructor of Map calls this before `#around` is set.
    if (!(#around in this) || super.has(key)) return super.set(key, value);
    this.#around.set(key, value);
    return this;
  }

  override delete(key: string): boolean {
    return super.has(key) ? super.delete(key) : this.#around.delete(key);
  }
}
