import { builtinModules } from "node:module";

/** The names in scope besides those declared at the prompt. Read again at every look-up, since they change. */
export interface Layers {
  /** The consfig: hosts and other exports of `hosts/`, nouns of properties. */
  consfig(): Readonly<Record<string, unknown>>;
  /** The exports of "consfigurator". */
  library(): Readonly<Record<string, unknown>>;
  require(specifier: string): unknown;
}

interface Variable {
  value: unknown;
  constant: boolean;
  /** Whether the running declaration has assigned it. */
  assigned: boolean;
}

/** The names of Node's modules, without those that are globals. */
const MODULES = new Set(builtinModules.filter((name) => /^[a-z]\w*$/.test(name) && !(name in globalThis)));

/**
 * The names available at the prompt, in order of precedence: declared there, from the consfig, from the library, Node's
 * modules. Other names are JavaScript's globals.
 */
export class Scope {
  readonly #variables = new Map<string, Variable>();
  /** The value of the last input. */
  last: unknown;
  lastError: unknown;

  constructor(private readonly layers: Layers) {}

  /** For `with`: an object that has all these names. */
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

  /** All names, without JavaScript's globals, Node's modules, and the compiler's names, which begin with `__`. */
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
   * Makes `names` assignable while `run` declares them. If it throws, names not assigned yet keep their old state. The
   * form `=name` assigns without declaring: the variable is created only if it does not exist.
   */
  async declare(names: readonly string[], constant: boolean, run: () => Promise<unknown>): Promise<unknown> {
    const before = new Map<string, Variable | undefined>();
    for (const each of names) {
      const name = each.replace(/^=/, "");
      const old = this.#variables.get(name);
      if (each.startsWith("=") && old) continue;
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

  /** Removes the declaration of `name`. */
  forget(name: string): boolean {
    return this.#variables.delete(name);
  }

  /** Maps the value of every variable, of constants and `_` too. */
  mapValues(map: (value: unknown) => unknown): void {
    for (const variable of this.#variables.values()) variable.value = map(variable.value);
    this.last = map(this.last);
  }

  #assign(name: string, value: unknown): void {
    const variable = this.#variables.get(name);
    if (!variable) {
      throw new TypeError(`${name} is not declared at the prompt; declare it first: const ${name} = …`);
    }
    if (variable.constant) {
      throw new TypeError(`${name} is a constant; to change its value, declare it again: const ${name} = …`);
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

/** The value of a declared name before it is assigned. */
const UNSET = Symbol("no value yet");
