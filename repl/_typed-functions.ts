import { isBuiltin } from "node:module";
import { isHost } from "../lib/controller/deploy";
import { notPlainData } from "../lib/model/plain-data";
import { Secret } from "../lib/model/secret";
import type { Captured, NameMeaning, TypedFunction } from "../lib/model/typed-function";
import { inCompiler } from "../lib/util/compiler-process";
import { type Closure, closureOf } from "./_closure";
import type { FreeNames } from "./_free-names";
import type { Workspace } from "./workspace";

/** `fn` with everything that it uses; undefined unless it was made at the prompt or in a playbook. */
export function captured(fn: Function, workspace: Workspace): Captured | undefined {
  const closure = closureOf(fn);
  if (!closure) return undefined;
  const capture = new Capture(workspace);
  capture.add(fn, closure, fn.name === "" ? "the function" : fn.name);
  const { complaints, functions, modules } = capture;
  return complaints.length > 0 ? { complaints } : { functions, modules };
}

const ANALYSIS = require.resolve("./_free-names.ts");

class Capture {
  readonly functions: TypedFunction[] = [];
  readonly modules: string[] = [];
  readonly complaints: string[] = [];
  /** By function, its index. */
  readonly #known = new Map<Function, number>();

  constructor(private readonly workspace: Workspace) {}

  /** `called`: what the user calls it. Returns its index. */
  add(fn: Function, closure: Closure, called: string): number {
    const known = this.#known.get(fn);
    if (known !== undefined) return known;
    const index = this.functions.length;
    this.#known.set(fn, index);
    const text = Function.prototype.toString.call(fn);
    const found = inCompiler(ANALYSIS, "freeNames", text) as FreeNames | undefined;
    const place = { file: closure.file, line: closure.line, column: closure.column - (found?.before ?? 0) };
    this.functions.push({ text, ...place, names: {} });
    if (!found) {
      const kind = /^class\b/.test(text) ? "a class" : "a method";
      this.complaints.push(`${called} is ${kind}; write a function, such as () => …, or ${EXPORT}`);
      return index;
    }
    for (const taken of found.taken)
      this.complaints.push(
        `${called} uses ${taken}, which belongs to the code around it; give it what it needs as arguments`,
      );
    for (const name of found.assigned)
      if (this.#isVariable(name, closure))
        this.complaints.push(
          `${called} assigns ${name}, of which the host would have a copy; let it return the new value`,
        );
    const names = found.names.flatMap((name) => {
      const meaning = this.#meaning(name, closure, called);
      return meaning ? [[name, meaning] as const] : [];
    });
    this.functions[index] = { text, ...place, names: Object.fromEntries(names) };
    return index;
  }

  #isVariable(name: string, { scopes }: Closure): boolean {
    return scopes.some((scope) => Object.hasOwn(scope, name)) || this.workspace.scope.has(name);
  }

  /** Undefined for globals, and after a complaint. */
  #meaning(name: string, { scopes }: Closure, called: string): NameMeaning | undefined {
    const own = scopes.find((scope) => Object.hasOwn(scope, name));
    if (own) return this.#meaningOf(own[name], name, called);
    if (name === "__load") return { kind: "loader", waits: true };
    const { scope } = this.workspace;
    if (name === "require" && !scope.declared().includes(name)) return { kind: "loader", waits: false };
    if (scope.has(name)) return this.#meaningOf(scope.get(name), name, called);
    if (OF_THE_INPUT.has(name))
      this.complaints.push(`${called} uses ${name}, which belongs to the prompt; it is not on the host`);
    return undefined;
  }

  #meaningOf(value: unknown, name: string, called: string): NameMeaning | undefined {
    if (value === undefined) return { kind: "value" };
    const isObject = typeof value === "function" || (typeof value === "object" && value !== null);
    const reason = isObject ? refusal(value) : undefined;
    const reference = isObject && reason === undefined ? this.#reference(value, name) : undefined;
    if (reference) return reference;
    const wrong = reason ?? (isObject ? this.#notSent(value, name) : undefined);
    const complaints =
      wrong === undefined
        ? notPlainData([value], name).map((each) => `${name}, and ${each}`)
        : [`${name}, which is ${wrong}`];
    if (complaints.length === 0) return { kind: "value", value };
    this.complaints.push(`${called} uses ${complaints.join()}`);
    return undefined;
  }

  /** What is on the host, too, or is sent as code. */
  #reference(value: object, name: string): NameMeaning | undefined {
    const { builtins, consfig } = this.workspace;
    const builtin = builtins.find(value, name);
    if (builtin) return { kind: "builtin", ...builtin };
    const module = consfig.moduleOf?.(value);
    if (module !== undefined) return { kind: "module", index: this.#module(module) };
    const exported = consfig.exportOf?.(value);
    if (exported) return { kind: "module", index: this.#module(exported.module), member: exported.call };
    const closure = typeof value === "function" ? closureOf(value) : undefined;
    return closure && { kind: "function", index: this.add(value as Function, closure, name) };
  }

  #module(module: string): number {
    const known = this.modules.indexOf(module);
    return known >= 0 ? known : this.modules.push(module) - 1;
  }

  /** What `value` is that no reference leads to, and what to do; undefined for what may be plain data. */
  #notSent(value: object, name: string): string | undefined {
    if (this.workspace.isLibrary(value))
      return "a part of consfigurator, which works here and not on the host; give what it returns as an argument";
    if (isNoun(value))
      return isBuiltin(name)
        ? `a set of properties; for the module of Node, import it under another name: import * as node${name[0]?.toUpperCase()}${name.slice(1)} from "node:${name}"`
        : "a set of properties, and properties are applied by deploy(…)";
    if (typeof value !== "function")
      return Object.values(value).some((each) => typeof each === "function")
        ? `an object with functions; ${EXPORT}`
        : undefined;
    const text = Function.prototype.toString.call(value);
    return text.endsWith("{ [native code] }")
      ? "a bound or native function, whose code cannot be sent; write a function that calls it"
      : `a function of a file, but no file of the consfig exports it; ${EXPORT}`;
  }
}

/** What `value` is that is not sent even when a file exports it, and what to do. */
function refusal(value: object): string | undefined {
  if (value instanceof Secret)
    return "a secret, and those only go where a property puts them; let a property of the host use it";
  if (isHost(value))
    return `the host ${value.name}; give what is needed of it as an argument, such as its name`;
  if (typeof value === "function" && "definition" in value)
    return "a property, and properties are applied by deploy(…)";
  return undefined;
}

const EXPORT = "export it, or a function that uses it, from a file such as properties/checks.ts";

/** Of each input, besides its functions. */
const OF_THE_INPUT: ReadonlySet<string> = new Set([
  "__scope",
  "module",
  "exports",
  "__filename",
  "__dirname",
]);

/** Whether it is a module of properties, such as `file`. */
const isNoun = (value: object): boolean =>
  Object.values(value).some((each) => typeof each === "function" && "definition" in each);
