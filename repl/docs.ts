import { readFileSync } from "node:fs";
import path from "node:path";
import { hops } from "../lib/model/hop";
import { type AnyDefinition, properties, publicProperties } from "../lib/model/property";
import type { Schema } from "../lib/model/schema";
import { root as packageRoot } from "../lib/util/package.js";
import { balanced, parametersOf } from "../lib/util/parameters";

/** The documentation of a name, read from source. */
export interface Doc {
  /** Such as `file.containsLines(path: string, ...lines: string[])`. */
  readonly signature: string;
  /** Definitions of the types that the signature names. */
  readonly types: readonly string[];
  /** The doc comment above the definition. */
  readonly text: string;
  /** Its first sentence. */
  readonly summary: string;
  /** What it requires, and whether it can be unapplied. */
  readonly facts: readonly string[];
  readonly site: string;
}

/** The documentation of a property, a hop (`via.ssh`), or another export that a consfig may import. */
export function docOf(name: string, consfigRoot: string): Doc | undefined {
  return propertyDoc(name, consfigRoot) ?? libraryDoc(name);
}

/** The documented names besides properties: functions, and hops as `via.NAME`. */
export const documentedNames = (): string[] => [...publicExports().keys()];

const MAX_FOUND = 12;

/** The names whose documentation is about `words`, best first: in the name, in the first sentence, elsewhere in the text. */
export function searchDocs(words: string, consfigRoot: string): string[] {
  const wanted = words
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
  if (wanted.length === 0) return [];
  const has = (text: string) => wanted.every((word) => text.toLowerCase().includes(word));
  const own = publicProperties();
  const ranked = [...new Set([...own, ...documentedNames()])].flatMap((name) => {
    const doc = has(name) ? undefined : docOf(name, consfigRoot);
    const rank = has(name) ? 0 : doc && has(doc.summary) ? 1 : doc && has(doc.text) ? 2 : undefined;
    return rank === undefined ? [] : [{ name, rank }];
  });
  return ranked
    .toSorted((a, b) => a.rank - b.rank)
    .slice(0, MAX_FOUND)
    .map(({ name }) => name);
}

function propertyDoc(name: string, consfigRoot: string): Doc | undefined {
  const property = properties.get(name);
  const site = properties.siteOf(name)?.toString();
  if (!property || !site) return undefined;
  const { definition } = property;
  const [, file = "", line = "1"] = /^(.*):(\d+):\d+$/.exec(site) ?? [];
  const source = textOf(path.resolve(consfigRoot, file));
  const offset = offsetOfLine(source, Number(line));
  const text = commentAbove(source, offset);
  const signature = `${name}(${parametersIn(source, offset, definition)})`;
  return {
    signature,
    types: typesOf(signature, source),
    text,
    summary: firstSentence(text),
    facts: factsOf(definition),
    site,
  };
}

/** What a property requires, and whether it can be unapplied. */
export function factsOf({ kind, args, parts, nested, unapply, unappliable }: AnyDefinition): string[] {
  const holds = JSON.stringify(args).includes('"application":true');
  return [
    kind === "agent"
      ? "needs an agent on the host: a hop via.agent()"
      : parts || nested || holds
        ? "needs an agent if one of its parts does"
        : "works over a shell and in an agent",
    unappliable || (parts && !unapply)
      ? "can be unapplied if its parts can"
      : unapply
        ? "can be unapplied"
        : "cannot be unapplied",
  ];
}

function libraryDoc(name: string): Doc | undefined {
  const file = publicExports().get(name);
  if (!file) return undefined;
  const source = textOf(file);
  const local = name.split(".").at(-1) ?? name;
  const found = new RegExp(
    `^export (?:async )?(?:function|const|class|interface|type) ${local}\\b`,
    "m",
  ).exec(source);
  if (!found) return undefined;
  const text = commentAbove(source, found.index);
  const hop = name.startsWith("via.") ? hops.get(local) : undefined;
  const start = source.indexOf("(", found.index);
  const signature = hop
    ? `(${parametersIn(source, found.index, hop)})`
    : /function/.test(found[0])
      ? `(${balanced(source, start)})`
      : "";
  const line = source.slice(0, found.index).split("\n").length;
  return {
    signature: `${name}${signature}`,
    types: typesOf(signature, source),
    text,
    summary: firstSentence(text),
    facts: [],
    site: `consfigurator/${path.relative(packageRoot, file)}:${line}`,
  };
}

/** The one-line type definitions in `source` that `signature` names. */
const typesOf = (signature: string, source: string): string[] =>
  [...source.matchAll(/^(?:export )?(type (\w+) = [^{};]+);$/gm)].flatMap(([, definition = "", name = ""]) =>
    new RegExp(`\\b${name}\\b`).test(signature) ? [definition.replaceAll(/\s+/g, " ")] : [],
  );

let exported: Map<string, string> | undefined;
/** The defining file of each name in lib/index.ts, read from its text. */
function publicExports(): Map<string, string> {
  if (exported) return exported;
  exported = new Map();
  const library = path.join(packageRoot, "lib");
  const index = textOf(path.join(library, "index.ts"));
  for (const [, names = "", from = ""] of index.matchAll(/export (?:type )?\{([^}]*)\} from "([^"]+)"/g)) {
    for (const name of names.split(",").map((one) => one.replace(/^\s*type\s/, "").trim())) {
      if (name) exported.set(name, path.join(library, `${from}.ts`));
    }
  }
  const via = path.join(library, "via.ts");
  for (const [, names = "", from = ""] of textOf(via).matchAll(/export \{([^}]*)\} from "([^"]+)"/g)) {
    for (const name of names.split(","))
      exported.set(`via.${name.trim()}`, path.join(path.dirname(via), `${from}.ts`));
  }
  return exported;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const offsetOfLine = (source: string, line: number): number =>
  source
    .split("\n")
    .slice(0, line - 1)
    .reduce((sum, text) => sum + text.length + 1, 0);

/** The doc comment that ends just before `offset`, as plain text. */
function commentAbove(source: string, offset: number): string {
  const block = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(source.slice(0, offset))?.[1] ?? "";
  return block.replace(/^[ \t]*\* ?/gm, "").trim();
}

const firstSentence = (text: string): string =>
  /^[\s\S]*?(?:\.(?=\s|$)|$)/.exec(text)?.[0].replaceAll("\n", " ") ?? "";

/**
 * The parameters of the property or hop defined at `offset`: as in its source, with their types; if they are defined
 * elsewhere, as in the compiled function.
 */
function parametersIn(
  source: string,
  offset: number,
  { call, args }: { readonly call?: unknown; readonly args: Schema<unknown> },
): string {
  if (typeof call !== "function") return fieldsOf(args);
  const [definition = ""] = /^[\s\S]*?(?=^\}|$(?![\s\S]))/m.exec(source.slice(offset)) ?? [];
  const at = /^\s*call: \(/m.exec(definition);
  const by = /^\s*call: (\w+),/m.exec(definition)?.[1];
  const elsewhere = by ? new RegExp(`^const ${by} = \\(`, "m").exec(source) : undefined;
  const text = at
    ? balanced(definition, definition.indexOf("(", at.index))
    : elsewhere
      ? balanced(source, source.indexOf("(", elsewhere.index))
      : "";
  return text || parametersOf(call).join(", ");
}

/** The fields of an arguments object, as a type. */
function fieldsOf(schema: Schema<unknown>): string {
  const fields = Object.entries((schema["properties"] ?? {}) as Record<string, Schema<unknown>>);
  const required = (schema["required"] ?? []) as readonly string[];
  if (fields.length === 0) return "";
  return `{ ${fields.map(([name, field]) => `${name}${required.includes(name) ? "" : "?"}: ${fieldType(field)}`).join(", ")} }`;
}

export function fieldType(schema: Schema<unknown>): string {
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(" | ");
  if (Array.isArray(schema["anyOf"]))
    return (schema["anyOf"] as Schema<unknown>[]).map(fieldType).join(" | ");
  if (schema["type"] === "array") return `${fieldType((schema["items"] ?? {}) as Schema<unknown>)}[]`;
  if (schema["type"] === "object" && schema["properties"]) return fieldsOf(schema);
  return schema["type"] === "integer" ? "number" : String(schema["type"] ?? "unknown");
}
