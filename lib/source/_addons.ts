import { readFileSync } from "node:fs";
import path from "node:path";

/** A native addon that is sent: the binary in a package of its own, as napi-rs publishes them for each platform. */
export interface Addon {
  /** The package, as it is required. */
  readonly specifier: string;
  /** The binary, absolute. */
  readonly file: string;
}

interface PlatformPackage {
  readonly name?: string;
  readonly main?: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

/** Those among `directories`, of packages, that hold nothing but a prebuilt binary for Linux. */
export function prebuiltAddons(directories: readonly string[]): Addon[] {
  return [...new Set(directories)].flatMap((directory) => {
    const { name, main, os, cpu } = platformPackage(directory);
    if (name === undefined || !main?.endsWith(".node") || !cpu || !os?.includes("linux")) return [];
    return [{ specifier: name, file: path.join(directory, main) }];
  });
}

function platformPackage(directory: string): PlatformPackage {
  try {
    return JSON.parse(readFileSync(path.join(directory, "package.json"), "utf8")) as PlatformPackage;
  } catch {
    return {};
  }
}

const MARK = "\n//# addons=";

/** `code` with a note of its addons, which is kept with it. */
export const withAddons = (code: string, addons: readonly Addon[]): string =>
  `${code.trimEnd()}${MARK}${JSON.stringify([...addonsIn(code), ...addons])}\n`;

export function addonsIn(code: string): readonly Addon[] {
  const at = code.lastIndexOf(MARK);
  return at < 0 ? [] : (JSON.parse(code.slice(at + MARK.length)) as Addon[]);
}
