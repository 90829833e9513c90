import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { stampOf, stampText } from "../util/build-cache";

/** Directories of a consfig whose files are loaded without being imported. */
export const sourceDirectories = ["hosts", "properties"];

/** Those whose types are always checked. */
export const checkedDirectories = [...sourceDirectories, "services"];

const extensions = [".ts", ".tsx", ".js", ".json"];

/** The version of a file when it was read. */
export interface Version {
  /** From its metadata; undefined: modified so recently that another write might not change it. */
  readonly stamp: string | undefined;
  readonly hash: string;
}

/** True for source files; false for tests, type declarations and other files. */
export const isSource = (file: string): boolean =>
  extensions.includes(path.extname(file)) && !/\.test\.tsx?$|\.test\.js$|\.d\.ts$/.test(file);

/** The files under `directories`, sorted, that are loaded without being imported. */
export function rootFiles(directories: readonly string[]): string[] {
  const found = directories.flatMap((directory) => filesUnder(directory)).sort();
  const compiled = new Set(found.filter((file) => /\.tsx?$/.test(file)).map(asJavaScript));
  return found.filter((file) => !(file.endsWith(".js") && compiled.has(file)));
}

function filesUnder(directory: string): string[] {
  return entries(directory).flatMap((entry) => {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory() || (entry.isSymbolicLink() && isDirectory(file))) {
      return entry.name.startsWith(".") || entry.name === "node_modules" ? [] : filesUnder(file);
    }
    return isSource(entry.name) && !/^[._]/.test(entry.name) ? [file] : [];
  });
}

function entries(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

export function isDirectory(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

export function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

/** The file name of the compiled form of `file`. */
export const asJavaScript = (file: string): string => file.replace(/\.tsx?$/, ".js");

/** Resolution of file system clocks in milliseconds: two writes within one tick have the same time. */
const TICK = 30;

/** `file` as text, and its version. Throws what reading throws. */
export function readVersion(file: string): { readonly text: string; readonly version: Version } {
  const stamp = settledStamp(file);
  const text = readFileSync(file, "utf8");
  return { text, version: { stamp, hash: contentHash(text) } };
}

/** The current version of `file`, read only when its metadata differs from `before`. Undefined: it is gone. */
export function versionNow(file: string, before: Version): Version | undefined {
  if (before.stamp !== undefined && before.stamp === stampOf(file)) return before;
  try {
    return readVersion(file).version;
  } catch {
    return undefined;
  }
}

function settledStamp(file: string): string | undefined {
  const stats = statSync(file);
  const age = Date.now() - Math.max(stats.mtimeMs, stats.ctimeMs);
  return age > TICK ? stampText(stats) : undefined;
}

export const contentHash = (content: string | Buffer): string =>
  createHash("sha256").update(content).digest("hex");
