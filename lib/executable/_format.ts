import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { type ModuleList, treeRecord } from "../agent/shared/tree";
import { tryOrUndefined } from "../util/attempt";
import { launch, type Tables } from "./_launch";

/** Raise this when the format of executables changes. */
const FORMAT = 2;
const EXECUTABLE_HEADER = "// consfigurator executable";

/** The inputs of an executable. */
export interface Source {
  readonly tree: string;
  readonly module: ModuleList;
  readonly call: string;
  readonly args: readonly unknown[];
  /** The runtime in its first line, with options. */
  readonly interpreter: string;
  /** True: it starts from a snapshot, if the code supports one. */
  readonly snapshot: boolean;
  /** The directory of the files that the module reads. */
  readonly home: string;
}

/** A hash of all inputs: executables with the same identity are the same. */
export function identityOf(source: Omit<Source, "home">): string {
  const { tree, module, call, args, interpreter, snapshot } = source;
  const record = treeRecord(tree);
  const paths = new Set(pathsOf(module).flatMap((file) => [file, `${file}.map`]));
  const files = record.files
    .filter((file) => paths.has(file.path))
    .map((file) => [file.path, file.hash])
    .sort();
  return sha256(
    JSON.stringify([FORMAT, sha256(launch.toString()), interpreter, snapshot, module, files, call, args]),
  ).slice(0, 32);
}

const pathsOf = ({ files, packages, imported, assets }: ModuleList): string[] => [
  ...new Set([
    ...Object.keys(files),
    ...Object.values(packages),
    ...Object.values(imported),
    ...Object.keys(assets),
  ]),
];

/**
 * The text of the executable. `cache` is the V8 code cache in base64. `interpreter` goes into the first line, by default
 * that of the source.
 */
export function executableText(
  source: Source,
  { cache = "", interpreter = source.interpreter } = {},
): string {
  const rest = `(${launch})(__filename, require).start();\n${comments(source, cache)}`;
  return `#!${interpreter}\n${EXECUTABLE_HEADER} ${identityOf(source)} ${sha256(rest)}\n${rest}`;
}

/** The script from which Node builds a start-up snapshot of the executable at `file`. */
export const snapshotScript = (source: Source, file: string): string => `
const executable = (${launch})(__filename, require, ${JSON.stringify(file)});
if (executable.load() instanceof Promise) throw new Error("the code waits while it is loaded (top-level await)");
require("node:v8").startupSnapshot.setDeserializeMainFunction(() => executable.start());
${comments(source, "")}`;

function comments({ tree, module, call, args, home }: Source, cache: string): string {
  const read = (file: string) => readFileSync(path.join(tree, file), "utf8");
  const listed = Object.keys(module.files).concat(Object.values(module.packages));
  const { code, lines } = bundle(listed, read, module.awaiting);
  const tables: Tables = {
    main: module.main,
    call,
    args,
    files: module.files,
    packages: module.packages,
    imported: module.imported,
    texts: Object.fromEntries(Object.values(module.imported).map((file) => [file, read(file)])),
    lines,
    awaiting: module.awaiting,
    addons: module.addons,
    ...(Object.keys(module.assets).length > 0 && { home }),
  };
  const maps = Object.fromEntries(
    Object.keys(module.files).flatMap((file) => {
      const map = tryOrUndefined(() => read(`${file}.map`));
      return map === undefined ? [] : [[file, JSON.parse(map) as unknown]];
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
function bundle(files: readonly string[], read: (file: string) => string, awaiting: ModuleList["awaiting"]) {
  const lines: (readonly [number, string])[] = [];
  const parts: string[] = ["({"];
  let line = 1;
  for (const file of new Set(files)) {
    const text = read(file).trimEnd();
    const body = file.endsWith(".json") ? `module.exports = ${text}` : text;
    const form = awaiting[file] ? "async function" : "function";
    const part = `${JSON.stringify(file)}: ${form} (module, exports, require, __filename, __dirname) {\n${body}\n},`;
    lines.push([line + 1, file]);
    parts.push(part);
    line += part.split("\n").length;
  }
  return { code: [...parts, "})"].join("\n"), lines };
}

/** The identity and interpreter of an executable; undefined when it is not one, or has been modified. */
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
