import { isBuiltin } from "node:module";
import { Script } from "node:vm";
import { COMPILED_INPUT, type NameMeaning, type TypedFunction } from "../model/typed-function";

/** A function with what the names in it mean. */
type Called = (...args: unknown[]) => unknown;

/**
 * The first of `functions`, which can call the others. `load`: gives the exports of the module with this index. Positions in
 * its stacks are those in the compiled form of the input, after `COMPILED_INPUT`.
 */
export function linked(functions: readonly TypedFunction[], load: (index: number) => unknown): Called {
  const made = functions.map(compiled);
  const meant = (meaning: NameMeaning): unknown => {
    switch (meaning.kind) {
      case "value":
        return meaning.value;
      case "function":
        return made[meaning.index]?.[0];
      case "module":
        return memberOf(load(meaning.index), meaning.member);
      case "builtin":
        return memberOf(require(meaning.specifier), meaning.member);
      case "loader":
        return meaning.waits ? async (specifier: string) => import(builtin(specifier)) : loaded;
    }
  };
  for (const [index, { names }] of functions.entries())
    made[index]?.[1](
      Object.fromEntries(Object.entries(names).map(([name, meaning]) => [name, meant(meaning)])),
    );
  return made[0]?.[0] as Called;
}

const memberOf = (exports: unknown, member: string | undefined): unknown =>
  member === undefined ? exports : (exports as Readonly<Record<string, unknown>>)[member];

/** In strict mode, as in an input, and at its place there; with what gives its names their values. */
function compiled({ text, file, line, column, names }: TypedFunction): readonly [Called, Link] {
  const all = Object.keys(names).join(", ");
  const [declared, assigned] = all === "" ? ["", ""] : [`let ${all};`, `({ ${all} } = values);`];
  const place = "\n".repeat(line) + " ".repeat(column);
  const code = `(() => { "use strict"; ${declared} return [(${place}${text}\n), (values) => { ${assigned} }]; })()`;
  return new Script(code, { filename: `${COMPILED_INPUT}${file}` }).runInThisContext() as [Called, Link];
}

type Link = (values: Readonly<Record<string, unknown>>) => void;

const loaded = (specifier: string): unknown => require(builtin(specifier));

function builtin(specifier: string): string {
  if (isBuiltin(specifier)) return specifier;
  throw new Error(
    `a function of the prompt can load Node's own modules on a host, not "${specifier}"; import it before, in a file of the consfig, and export a function that uses it`,
  );
}
