import { builtinModules, isBuiltin } from "node:module";

/** A module of Node, or one of its exports. */
export interface BuiltinValue {
  readonly specifier: string;
  readonly member?: string;
}

/** The modules of Node that inputs have loaded, by which their values are recognised. */
export class BuiltinValues {
  readonly #loaded = new Set<string>();

  /** `specifier`: whatever an input has loaded. */
  note(specifier: string): void {
    if (isBuiltin(specifier)) this.#loaded.add(specifier.replace(/^node:/, ""));
  }

  /** Where `value` comes from, if an input has loaded it. `name`: what the input calls it. */
  find(value: unknown, name: string): BuiltinValue | undefined {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
    for (const specifier of this.#modules()) {
      const module = require(specifier) as Record<string, unknown>;
      // The last: what `import * as` of an input makes of it.
      if (value === module || (value as { default?: unknown }).default === module) return { specifier };
      const member = memberOf(module, value, name);
      if (member !== undefined) return { specifier, member };
    }
    return undefined;
  }

  /** With those below them, such as "node:fs/promises". */
  *#modules(): Generator<string> {
    for (const each of this.#loaded) {
      for (const known of builtinModules)
        if (known === each || known.startsWith(`${each}/`)) yield `node:${known}`;
      if (!builtinModules.includes(each)) yield `node:${each}`;
    }
  }
}

/** Getters, of which some warn, are called only for the names by which the value is known. */
function memberOf(module: Record<string, unknown>, value: object, name: string): string | undefined {
  const known = [name, (value as { name?: unknown }).name].filter((each) => typeof each === "string");
  const found = known.find((each) => Object.hasOwn(module, each) && module[each] === value);
  return (
    found ??
    Object.entries(Object.getOwnPropertyDescriptors(module)).find(([, { value: own }]) => own === value)?.[0]
  );
}
