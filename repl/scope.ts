import { builtinModules } from "node:module";

/** What stands in scope besides what was declared at the prompt; asked again at every look-up, since it changes. */
export interface Layers {
  /** The consfig: hosts and other exports of `hosts/`, nouns of properties. */
  consfig(): Readonly<Record<string, unknown>>;
  /** What a consfig may import from "consfigurator". */
  library(): Readonly<Record<string, unknown>>;
  require(specifier: string): unknown;
}

interface Variable {
  value: unknown;
  constant: boolean;
  /** Whether the declaration under way has reached it. */
  assigned: boolean;
}

/** Node's modules by name, but those that are there as globals. */
const MODULES = new Set(builtinModules.filter((name) => /^[a-z]\w*$/.test(name) && !(name in globalThis)));

/**
 * The names that can be used at the prompt: what was declared there, the consfig's, the library's, Node's modules, in
 * this order. What none of them has is looked up among JavaScript's globals.
 */
export class Scope {
  readonly #variables = new Map<string, Variable>();
  /** The last value. */
  last: unknown;
  lastError: unknown;

  constructor(private readonly layers: Layers) {}

  /** For `with`: looks like an object that has all these names. */
  readonly proxy: object = new Proxy(Object.create(null) as object, {
    has: (_, name) => typeof name === "string" && this.has(name),
    get: (_, name) => (typeof name === "string" ? this.get(name) : undefined),
    set: (_, name, value) => {
      this.#assign(String(name), value);
      return true;
    },
  });

  has(name: string): boolean {
    return this.#variables.has(name) || this.#layerOf(name) !== undefined;
  }

  get(name: string): unknown {
    const variable = this.#variables.get(name);
    if (variable?.value === UNSET) throw new ReferenceError(`${name} has no value yet`);
    return variable ? variable.value : this.#layerOf(name)?.();
  }

  /** All names, without JavaScript's globals and Node's modules; `__` names are made by the compiler. */
  names(): string[] {
    const { consfig, library } = this.layers;
    const all = [...this.#variables.keys(), "_", ...Object.keys(consfig()), ...Object.keys(library())];
    return [...new Set(all)].filter((name) => !name.startsWith("__"));
  }

  /** The names declared at the prompt. */
  declared(): string[] {
    return [...this.#variables.keys()];
  }

  /**
   * Makes `names` assignable while `run` declares them. When it throws, those it did not get to are as they were
   * before. A name written `=name` is only assigned: it is made when nothing has it.
   */
  async declare(names: readonly string[], constant: boolean, run: () => Promise<unknown>): Promise<unknown> {
    const before = new Map<string, Variable | undefined>();
    for (const written of names) {
      const name = written.replace(/^=/, "");
      const old = this.#variables.get(name);
      if (written.startsWith("=") && old) continue;
      before.set(name, old);
      this.#variables.set(name, { value: old ? old.value : UNSET, constant: false, assigned: false });
    }
    try {
      return await run();
    } finally {
      for (const [name, old] of before) this.#settle(name, old, constant);
    }
  }

  #settle(name: string, old: Variable | undefined, constant: boolean): void {
    const now = this.#variables.get(name);
    if (!now) return;
    if (now.assigned) now.constant = constant;
    else if (old) this.#variables.set(name, old);
    else this.#variables.delete(name);
  }

  /** Forgets what was declared as `name`: something newer has it. */
  forget(name: string): boolean {
    return this.#variables.delete(name);
  }

  /** Puts another value in the place of each that `renewed` gives another for, of constants and `_` too. */
  renew(renewed: (value: unknown) => unknown): void {
    for (const variable of this.#variables.values()) variable.value = renewed(variable.value);
    this.last = renewed(this.last);
  }

  #assign(name: string, value: unknown): void {
    const variable = this.#variables.get(name);
    if (!variable) {
      throw new TypeError(`${name} is not a variable of the prompt; declare one: const ${name} = …`);
    }
    if (variable.constant) {
      throw new TypeError(
        `${name} is a constant; declare it again to give it another value: const ${name} = …`,
      );
    }
    variable.value = value;
    variable.assigned = true;
  }

  #layerOf(name: string): (() => unknown) | undefined {
    if (name === "_") return () => this.last;
    if (name === "_error") return () => this.lastError;
    const { consfig, library } = this.layers;
    if (Object.hasOwn(consfig(), name)) return () => consfig()[name];
    if (Object.hasOwn(library(), name)) return () => library()[name];
    if (name === "require") return () => (specifier: string) => this.layers.require(specifier);
    if (MODULES.has(name)) return () => this.layers.require(`node:${name}`);
    return undefined;
  }
}

/** Stands where a declared name has no value yet. */
const UNSET = Symbol("no value yet");
