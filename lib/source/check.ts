import { execFile } from "node:child_process";
import { realpathSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ConsfigError } from "../model/errors";

/** One complaint of the compiler about a consfig. */
export interface Diagnostic {
  /** Relative to the consfig. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** What the compiler says; further lines say why. */
  readonly message: string;
  /** The line as it stands in the file. */
  readonly source: string;
}

const run = promisify(execFile);

export interface CheckOptions {
  /** Aborting it ends the check. */
  readonly signal?: AbortSignal;
  /** Only with the processor time that nobody else wants. */
  readonly background?: boolean;
}

/** As nice(1) counts. */
const NICE = 10;

/**
 * What the compiler says of the types in the consfig at `root`, by file and line; nothing when all is well. It works in
 * a process of its own, for a second or more, at the user's own tsconfig.json if there is one.
 */
export async function checkTypes(
  root: string,
  { signal, background = false }: CheckOptions = {},
): Promise<Diagnostic[]> {
  const script = path.join(__dirname, "_checker.ts");
  const args = ["--require", path.join(__dirname, "register.js"), script, realpathSync(root)];
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
    const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1) ?? String(error);
    throw new ConsfigError(`the types of ${root} could not be checked: ${said}`, { cause: error });
  }
}

function makeNice(pid: number | undefined): void {
  try {
    if (pid !== undefined) os.setPriority(pid, NICE);
  } catch {
    // It is as fast as anything else, then.
  }
}
