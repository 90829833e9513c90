import { execFile } from "node:child_process";
import { realpathSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ConsfigError } from "../model/errors";

/** One type error in a consfig. */
export interface Diagnostic {
  /** Relative to the consfig. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** The compiler's message; further lines give details. */
  readonly message: string;
  /** The source line. */
  readonly source: string;
}

const run = promisify(execFile);

export interface CheckOptions {
  /** Aborts the check. */
  readonly signal?: AbortSignal;
  /** Runs the check at low CPU priority. */
  readonly background?: boolean;
  /** Further files to check, absolute: modules that are not loaded on the controller. */
  readonly modules?: readonly string[];
}

/** A nice(1) value. */
const NICE = 10;

/**
 * Checks the types of the consfig at `root`, services/ included; returns the errors by file and line. Runs in a separate process, for a
 * second or more, with the user's tsconfig.json if there is one.
 */
export async function checkTypes(
  root: string,
  { signal, background = false, modules = [] }: CheckOptions = {},
): Promise<Diagnostic[]> {
  const script = path.join(__dirname, "_checker.ts");
  const args = ["--require", path.join(__dirname, "register.js"), script, realpathSync(root), ...modules];
  try {
    const checking = run(process.execPath, args, {
      maxBuffer: 64 * 1024 * 1024,
      ...(signal && { signal }),
    });
    if (background) makeNice(checking.child.pid);
    const { stdout } = await checking;
    return JSON.parse(stdout) as Diagnostic[];
  } catch (error) {
    if (signal?.aborted) throw error;
    const message = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1) ?? String(error);
    throw new ConsfigError(`cannot check the types of ${root}: ${message}`, { cause: error });
  }
}

function makeNice(pid: number | undefined): void {
  try {
    if (pid !== undefined) os.setPriority(pid, NICE);
  } catch {
    // Runs at normal priority instead.
  }
}
