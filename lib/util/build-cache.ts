import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The output of a bundler, and every file that it read. */
export interface Build {
  readonly inputs: readonly string[];
  readonly code: string;
}

/** The stored form: each input with its stamp at build time. */
interface KeptBuild {
  readonly inputs: readonly (readonly [file: string, stamp: string])[];
  readonly code: string;
}

/** The code cached in `file`; undefined when there is none, or when one of its inputs has changed since. */
export function readBuild(file: string): string | undefined {
  try {
    const { inputs, code } = JSON.parse(readFileSync(file, "utf8")) as KeptBuild;
    return inputs.every(([input, stamp]) => stampOf(input) === stamp) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Caches `build` in `file` and returns its code. A failure to write the cache is ignored. */
export function keepBuild(file: string, { inputs, code }: Build): string {
  const kept: KeptBuild = { inputs: inputs.map((input) => [input, stampOf(input) ?? ""] as const), code };
  const temporary = `${file}.${process.pid}`;
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, JSON.stringify(kept), { mode: 0o600 });
    renameSync(temporary, file);
  } catch {}
  return code;
}

/** A stamp that changes whenever `file` is written; undefined when the file does not exist. */
export function stampOf(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats && stampText(stats);
}

interface Stamped {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly size: number;
  readonly ino: number;
}

export const stampText = ({ mtimeMs, ctimeMs, size, ino }: Stamped): string =>
  `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
