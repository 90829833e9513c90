import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { type ModuleList, treeRecord } from "../agent/shared/tree";
import { tryOrUndefined } from "../util/attempt";
import { launch, type Tables } from "./_launch";

/** Raise this when executables are made otherwise. */
const FORMAT = 1;
const EXECUTABLE_HEADER = "// consfigurator executable";

/** What an executable is made from. */
export interface Source {
  readonly tree: string;
  readonly module: ModuleList;
  readonly call: string;
  readonly args: readonly unknown[];
  /** The runtime it names in its first line, and further options for that, if any. */
  readonly interpreter: string;
  /** True: it starts from a snapshot, if one can be made. */
  readonly snapshot: boolean;
}

/** Names what goes into the executable: two of one name are the same. */
export function identityOf({ tree, module, call, args, interpreter, snapshot }: Source): string {
  const record = treeRecord(tree);
  const places = new Set(placesOf(module).flatMap((place) => [place, `${place}.map`]));
  const files = record.files
    .filter((file) => places.has(file.path))
    .map((file) => [file.path, file.hash])
    .sort();
  return sha256(
    JSON.stringify([FORMAT, sha256(launch.toString()), interpreter, snapshot, module, files, call, args]),
  ).slice(0, 32);
}

const placesOf = ({ files, packages, imported }: ModuleList): string[] => [
  ...new Set([...Object.keys(files), ...Object.values(packages), ...Object.values(imported)]),
];

/**
 * The text of the executable; `cache` is what V8 has compiled of it, in base64. `interpreter` stands in its first line, if
 * it is another one than that of the source.
 */
export function assembled(source: Source, { cache = "", interpreter = source.interpreter } = {}): string {
  const rest = `(${launch})(__filename, require).start();\n${comments(source, cache)}`;
  return `#!${interpreter}\n${EXECUTABLE_HEADER} ${identityOf(source)} ${sha256(rest)}\n${rest}`;
}

/** What Node makes a start-up snapshot from, of the executable that is going to be `shown`. */
export const frozen = (source: Source, shown: string): string => `
const executable = (${launch})(__filename, require, ${JSON.stringify(shown)});
executable.load();
require("node:v8").startupSnapshot.setDeserializeMainFunction(() => executable.start());
${comments(source, "")}`;

function comments({ tree, module, call, args }: Source, cache: string): string {
  const read = (place: string) => readFileSync(path.join(tree, place), "utf8");
  const { code, lines } = joined(Object.keys(module.files).concat(Object.values(module.packages)), read);
  const tables: Tables = {
    main: module.main,
    call,
    args,
    files: module.files,
    packages: module.packages,
    imported: module.imported,
    texts: Object.fromEntries(Object.values(module.imported).map((place) => [place, read(place)])),
    lines,
  };
  const maps = Object.fromEntries(
    Object.keys(module.files).flatMap((place) => {
      const map = tryOrUndefined(() => read(`${place}.map`));
      return map === undefined ? [] : [[place, JSON.parse(map) as unknown]];
    }),
  );
  return [
    `//tables ${base64(JSON.stringify(tables))}`,
    `//code ${base64(code)}`,
    `//maps ${base64(JSON.stringify(maps))}`,
    `//cache ${cache}`,
    "",
  ].join("\n");
}

/** All files as one expression: an object with a function for each. */
function joined(places: readonly string[], read: (place: string) => string) {
  const lines: (readonly [number, string])[] = [];
  const parts: string[] = ["({"];
  let line = 1;
  for (const place of new Set(places)) {
    const text = read(place).trimEnd();
    const body = place.endsWith(".json") ? `module.exports = ${text}` : text;
    const part = `${JSON.stringify(place)}: function (module, exports, require, __filename, __dirname) {\n${body}\n},`;
    lines.push([line + 1, place]);
    parts.push(part);
    line += part.split("\n").length;
  }
  return { code: [...parts, "})"].join("\n"), lines };
}

/** What an executable says of itself. Undefined: it is none, or somebody changed it. */
export function identityIn(
  text: string,
): { readonly identity: string; readonly interpreter: string } | undefined {
  const [first = "", second = ""] = text.split("\n", 2);
  const [, identity, hash] = /^\/\/ consfigurator executable ([0-9a-f]+) ([0-9a-f]+)$/.exec(second) ?? [];
  if (!first.startsWith("#!") || identity === undefined) return undefined;
  const rest = text.slice(first.length + second.length + 2);
  return sha256(rest) === hash ? { identity, interpreter: first.slice(2) } : undefined;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
