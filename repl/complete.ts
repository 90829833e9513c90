import { readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { sourceKinds } from "../lib/model/data-source";
import { hops } from "../lib/model/hop";
import { type AnyDefinition, properties } from "../lib/model/property";
import type { Schema } from "../lib/model/schema";
import { parametersOf } from "../lib/util/parameters";
import { memberNames, valueNamed } from "./_members";
import { type Opening, readInput } from "./_openings";
import { resultMembers } from "./_resultMembers";
import { commands } from "./commands";
import { hostNames } from "./commands/_host";
import { fieldType } from "./docs";
import type { Shell } from "./shell";

/** The candidates at the cursor, and the text that they replace. */
export type Completions = [candidates: string[], fragment: string];

/**
 * Completes the input before the cursor: names in scope, members, dot-commands, files, and inside the call of a
 * property or hop the values that its schema allows. Evaluates nothing, runs no getter, and never uses the network.
 */
export const completer =
  (shell: Shell) =>
  (input: string): Completions => {
    const [candidates, fragment] = commandCompletions(input, shell) ?? inputCompletions(input, shell);
    const fitting = [...new Set(candidates)].filter(
      (candidate) => candidate.startsWith(fragment) || fragment === "",
    );
    return [fitting.slice(0, MAX_CANDIDATES), fragment];
  };

const MAX_CANDIDATES = 500;

function commandCompletions(input: string, shell: Shell): Completions | undefined {
  const name = /^\s*(\.[A-Za-z]*)$/.exec(input)?.[1];
  if (name !== undefined) return [[...commands.keys()].map((command) => `.${command}`), name];
  const [, commandName = "", argument = ""] = /^\s*\.([A-Za-z]+)\s+(.*)$/.exec(input) ?? [];
  const command = commands.get(commandName);
  if (!command) return undefined;
  if (command.takesFile) return files(argument);
  return [[...(command.completions?.({ shell }) ?? [])], argument];
}

/** The files in the directory of `typed`; directories end with a slash. */
function files(typed: string, directory = process.cwd()): Completions {
  const folder = typed.slice(0, typed.lastIndexOf("/") + 1);
  const absolute = path.resolve(directory, folder.replace(/^~(?=\/)/, os.homedir()));
  try {
    const entries = readdirSync(absolute, { withFileTypes: true });
    return [entries.map((entry) => `${folder}${entry.name}${entry.isDirectory() ? "/" : ""}`), typed];
  } catch {
    return [[], typed];
  }
}

/** As `files`, in a string that ends with the name of a file. */
function localFiles(typed: string, quote: string, directory?: string): Completions {
  const [candidates] = files(typed, directory);
  return [candidates.map((each) => (each.endsWith("/") ? each : `${each}${quote}`)), typed];
}

function inputCompletions(input: string, shell: Shell): Completions {
  const { openings, string, inComment } = readInput(input);
  if (inComment) return [[], ""];
  const fragment = string
    ? input.slice(string.start + 1)
    : (/[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.exec(input)?.[0] ?? "");
  if (string && /\b(from|import|require\()\s*$/.test(input.slice(0, string.start)))
    return modules(fragment, shell);
  const before = input.slice(0, input.length - fragment.length);
  const chain = string
    ? undefined
    : /([\p{ID_Start}$_][\p{ID_Continue}$]*(?:\s*\??\.\s*[\p{ID_Start}$_][\p{ID_Continue}$]*)*)\s*\??\.\s*$/u.exec(
        before,
      )?.[1];
  if (chain) return [memberNames(valueNamed(chain, shell.workspace.scope)), fragment];
  if (!string && /\.\s*$/.test(before)) return [resultMembers(before), fragment];
  const hosts = string ? undefined : hostCompletions(openings, shell);
  if (hosts?.some((name) => name.startsWith(fragment))) return [hosts, fragment];
  const root = shell.workspace.consfig.root;
  const fromSchema = argumentCompletions(openings, fragment, { string: string?.quote, before, root });
  if (fromSchema) return [fromSchema, fragment];
  return string ? [[], fragment] : [allNames(shell, fragment), fragment];
}

/** The hosts, as first argument of `deploy(` and `deploy([`. */
function hostCompletions(openings: readonly Opening[], shell: Shell): string[] | undefined {
  const [last, outer] = [openings.at(-1), openings.at(-2)];
  const call = last?.bracket === "[" && outer?.index === 0 ? outer : last?.index === 0 ? last : undefined;
  return call && /^(deploy|deployThese)$/.test(call.callee) ? hostNames({ shell }) : undefined;
}

function modules(typed: string, shell: Shell): Completions {
  if (typed.startsWith(".")) {
    const [candidates] = files(typed, shell.workspace.consfig.root);
    return [candidates.map((candidate) => candidate.replace(/\.tsx?$/, "")), typed];
  }
  return [["consfigurator", "consfigurator/properties"], typed];
}

const KEYWORDS = [
  "await",
  "class",
  "const",
  "delete",
  "false",
  "for",
  "function",
  "if",
  "import",
  "instanceof",
  "let",
  "new",
  "null",
  "return",
  "throw",
  "true",
  "try",
  "typeof",
  "undefined",
  "while",
];

/** Globals and keywords are offered only once a letter is typed. */
const allNames = (shell: Shell, fragment: string): string[] => {
  const names = shell.workspace.scope.names();
  if (!fragment) return names;
  const globals = Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name));
  return [...names, ...globals, ...KEYWORDS];
};

interface CursorContext {
  readonly string: string | undefined;
  readonly before: string;
  /** The directory of the consfig. */
  readonly root: string;
}

/** What the schema of the enclosing call allows here: keys of an object, values of a field, or parameter hints. */
function argumentCompletions(
  openings: readonly Opening[],
  fragment: string,
  cursor: CursorContext,
): string[] | undefined {
  const at = openings.findLastIndex(
    ({ bracket, callee }) => bracket === "(" && definitionOf(callee) !== undefined,
  );
  const call = openings[at];
  const definition = call && definitionOf(call.callee);
  if (!call || !definition) return undefined;
  const inner = openings.slice(at + 1);
  if (inner.some(({ bracket }) => bracket === "(")) return undefined;
  let schema = parameterSchema(definition, call.index);
  for (const [index, { bracket, key }] of inner.entries()) {
    const outer = index === 0 ? undefined : inner[index - 1];
    if (outer?.bracket === "{" && key !== undefined) schema = fieldOf(schema, key);
    if (bracket === "[") schema = schema?.["items"] as AnySchema | undefined;
  }
  const innermost = inner.at(-1);
  if (innermost?.bracket === "{") {
    const key = innermost.current;
    if (key === undefined)
      return cursor.string
        ? []
        : Object.keys(fieldsOf(schema))
            .filter((name) => !innermost.named.includes(name) && !isParameter(name, schema, definition))
            .map((name) => `${name}: `);
    schema = fieldOf(schema, key);
  }
  const values = allowed(schema);
  if (cursor.string) {
    for (const { suggest } of branches(schema)) {
      if (suggest === "local files") return localFiles(fragment, cursor.string)[0];
      if (suggest === "files of the consfig") return localFiles(fragment, cursor.string, cursor.root)[0];
    }
    return [...values, ...suggested(schema)]
      .filter((value) => typeof value === "string")
      .map((value) => `${value}${cursor.string}`);
  }
  if (values.length > 0) return values.map((value) => JSON.stringify(value));
  return fragment === "" && inner.length === 0 ? parameterHints(definition, call.index) : undefined;
}

type AnySchema = Schema<unknown>;
type CallableDefinition = Pick<AnyDefinition, "name" | "args"> & { readonly call?: Function };

function definitionOf(callee: string): CallableDefinition | undefined {
  const source = sourceKinds.get(/^source\.(\w+)$/.exec(callee)?.[1] ?? "");
  if (source) return { name: callee, ...source };
  const hop = /^via\.(\w+)$/.exec(callee)?.[1];
  return hop
    ? (hops.get(hop) as CallableDefinition | undefined)
    : (properties.get(callee)?.definition as CallableDefinition | undefined);
}

/** The schema of one parameter. A parameter that is not a field itself holds the remaining fields. */
function parameterSchema({ args, call }: CallableDefinition, index: number): AnySchema | undefined {
  if (!call) return args;
  const names = parametersOf(call);
  const name = names[Math.min(index, names.length - 1)] ?? "";
  const field = fieldsOf(args)[name.replace(/^\.\.\./, "")];
  return name.startsWith("...") ? (field?.["items"] as AnySchema | undefined) : (field ?? args);
}

const fieldsOf = (schema: AnySchema | undefined): Record<string, AnySchema> =>
  (branches(schema).find((branch) => branch["properties"])?.["properties"] ?? {}) as Record<
    string,
    AnySchema
  >;

const fieldOf = (schema: AnySchema | undefined, name: string): AnySchema | undefined =>
  fieldsOf(schema)[name];

const branches = (schema: AnySchema | undefined): AnySchema[] =>
  schema ? [schema, ...((schema["anyOf"] ?? []) as AnySchema[])] : [];

const allowed = (schema: AnySchema | undefined): unknown[] =>
  branches(schema).flatMap((branch) =>
    Array.isArray(branch["enum"])
      ? (branch["enum"] as unknown[])
      : branch["type"] === "boolean"
        ? [true, false]
        : [],
  );

/** Values that the schema names, of more that it allows. */
const suggested = (schema: AnySchema | undefined): unknown[] =>
  branches(schema).flatMap((branch) =>
    branch["suggest"] === "time zones"
      ? Intl.supportedValuesOf("timeZone")
      : ((branch["examples"] ?? []) as unknown[]),
  );

/** Whether a field of the whole arguments has a parameter of its own, and is no option. */
const isParameter = (
  name: string,
  schema: AnySchema | undefined,
  { args, call }: CallableDefinition,
): boolean =>
  schema === args &&
  call !== undefined &&
  parametersOf(call).some((parameter) => parameter.replace(/^\.\.\./, "") === name);

/** The remaining parameters, as hints to read. At least two, so that Tab inserts none of them. */
function parameterHints(definition: CallableDefinition, index: number): string[] | undefined {
  if (!definition.call) return undefined;
  const names = parametersOf(definition.call);
  const left = names.slice(index < names.length ? index : names.findIndex((name) => name.startsWith("...")));
  const hints = left.map((name) => {
    const schema = fieldsOf(definition.args)[name.replace(/^\.\.\./, "")];
    return schema ? `${name}: ${fieldType(schema)}` : name;
  });
  return hints.length > 0 ? [...hints, `→ ${definition.name}`] : undefined;
}
