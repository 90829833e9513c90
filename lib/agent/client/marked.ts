import { readdirSync, readFileSync } from "node:fs";

/** The environment variable that identifies the processes started by a child worker. */
export const CHILD_VARIABLE = "CONSFIGURATOR_CHILD";

/** Kills every process with `marker` in its environment, as far as we have the permission. */
export function killMarked(marker: string): void {
  for (const pid of pidsWithMarker(marker)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has exited in the meantime.
    }
  }
}

function pidsWithMarker(marker: string): number[] {
  const setting = `${CHILD_VARIABLE}=${marker}`;
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
