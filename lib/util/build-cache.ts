import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What a bundler made, and every file that it read for it. */
export interface Build {
  readonly inputs: readonly string[];
  readonly code: string;
}

/** As it is kept: inputs with their stamps at the time. */
interface KeptBuild {
  readonly inputs: readonly (readonly [file: string, stamp: string])[];
  readonly code: string;
}

/** The code kept in `file`; undefined when there is none, or when one of its inputs has changed since. */
export function readBuild(file: string): string | undefined {
  try {
    const { inputs, code } = JSON.parse(readFileSync(file, "utf8")) as KeptBuild;
    return inputs.every(([input, stamp]) => stampOf(input) === stamp) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps `build` in `file`, and returns its code. A cache that cannot be written costs time, never the work. */
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

/** What a directory entry says of a file: it differs when the file was written. Undefined: there is no such file. */
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
