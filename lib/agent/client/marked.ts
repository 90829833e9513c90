import { readdirSync, readFileSync } from "node:fs";

/** The variable by which what a child worker has started is found again. */
export const CHILD_VARIABLE = "CONSFIGURATOR_CHILD";

/** Ends every process that has the mark `mark` in its environment, as far as we may see and end it. */
export function endMarked(mark: string): void {
  for (const pid of withMark(mark)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

function withMark(mark: string): number[] {
  const setting = `${CHILD_VARIABLE}=${mark}`;
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => environmentOf(name).includes(setting))
    .map(Number);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return [];
  }
}
