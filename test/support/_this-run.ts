/**
 * What one run of the tests may leave on this computer, recorded so that the next run can remove it: a directory for
 * temporary files, and processes. Both carry the id of the run. (Machines have records of their own: `_slots.ts`.)
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { cacheHome } from "../../lib/util/package";
import { ALIVE } from "./_limits";
import { availableMemory } from "./_places";
import { killAll, markedEnvironment, processesMarked } from "./_processes";
import { removeDirectory } from "./_removal";
import { type Owned, ownerLives, self } from "./_slots";
import { patience } from "./load";

const records = path.join(`${cacheHome}-test`, "runs");

/** Milliseconds on idle cores in which processes end by themselves, such as a compiler whose prompt has ended. */
const LEAVING_MS = 2000;

interface RunRecord extends Owned {
  readonly id: string;
  /** The directory of temporary files. */
  readonly directory: string;
}

export interface ThisRun {
  /** The environment of the test file `number`, and a function that removes everything left of it. */
  forFile(number: number): FileScope;
  /** Removes everything left of the run. */
  end(): void;
}

export interface FileScope {
  readonly env: NodeJS.ProcessEnv;
  /** The id that its processes carry. */
  readonly mark: string;
  /** A file that the process of the test file touches as a sign of life. */
  readonly alive: string;
  /**
   * Kills the processes and removes the files that are left, after a moment for those that are about to end; returns the
   * commands of the processes.
   */
  end(): Promise<string[]>;
}

/** Begins a run, and removes what dead ones left. */
export function beginRun(): ThisRun {
  // Without /proc processes cannot be identified.
  const recorded = existsSync("/proc/self/stat");
  const id = randomBytes(6).toString("hex");
  const directory = path.join(os.tmpdir(), `cfgt-${id}`);
  const record = path.join(records, `${id}.json`);
  if (recorded) {
    removeDeadRuns();
    mkdirSync(records, { recursive: true, mode: 0o700 });
    writeFileSync(record, JSON.stringify({ ...self(), id, directory } satisfies RunRecord), { mode: 0o600 });
  }
  makeSharedDirectory(directory);
  if (recorded) mountMemory(directory);
  return {
    forFile: (number) => {
      const mark = `${id}.${number}`;
      const temporary = path.join(directory, String(number));
      makeSharedDirectory(temporary);
      const alive = `${temporary}.alive`;
      writeFileSync(alive, "");
      return {
        mark,
        alive,
        // Deployments to this computer of one file do not wait for those of another.
        env: {
          ...markedEnvironment(mark),
          TMPDIR: temporary,
          CONSFIGURATOR_LOCK: temporary,
          [ALIVE]: alive,
        },
        end: async () => {
          const isOurs = (each: string) => each === mark;
          const late = performance.now() + LEAVING_MS * patience();
          while (processesMarked(isOurs).length > 0 && performance.now() < late) await pause(100);
          const left = killMarked(isOurs);
          removeDirectory(temporary);
          return left;
        },
      };
    },
    end: () => {
      killMarked((each) => each.startsWith(`${id}.`));
      removeDirectory(directory);
      rmSync(record, { force: true });
    },
  };
}

/** As /tmp is: open to everybody, and nobody removes the files of others. */
function makeSharedDirectory(directory: string): void {
  mkdirSync(directory, { mode: 0o700 });
  chmodSync(directory, 0o1777);
}

/** Bytes that must be available for temporary files in memory: test machines need memory, too. */
const MEMORY_FOR_FILES = 8 * 1024 ** 3;

/**
 * Temporary files need not survive a crash of this computer: in memory, nothing waits for a disk to have them. They stay
 * on the disk where the memory is scarce, and where this user may not mount.
 */
function mountMemory(directory: string): void {
  if (availableMemory() < MEMORY_FOR_FILES) return;
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=50%,mode=1777", "test-run", directory], { stdio: "ignore" });
}

function removeDeadRuns(): void {
  for (const name of existsSync(records) ? readdirSync(records) : []) {
    const file = path.join(records, name);
    const run = readRecord(file);
    if (run === undefined || ownerLives(run)) continue;
    const reaping = `${file}.reaped-by-${process.pid}`;
    try {
      renameSync(file, reaping); // succeeds in only one of several runs
    } catch {
      continue;
    }
    killMarked((each) => each.startsWith(`${run.id}.`));
    removeDirectory(run.directory);
    rmSync(reaping);
  }
}

function readRecord(file: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Kills until none is left: a process may start another one in between. */
function killMarked(isOurs: (id: string) => boolean): string[] {
  const killed = new Map<string, string>();
  for (let tries = 0; tries < 20; tries++) {
    const found = processesMarked(isOurs);
    if (found.length === 0) break;
    for (const { pid, start, command } of found) killed.set(`${pid} ${start}`, command);
    killAll(found);
  }
  return [...killed.values()];
}
