/** How many test files run side by side: as many as keep the cores busy, since most of them wait most of the time. */
import { readFileSync } from "node:fs";
import os from "node:os";

/** The share of all cores that must have been idle for another file to start. */
const IDLE_SHARE = 0.25;

/** Milliseconds over which that is measured: a file that has just started must have shown what it needs. */
const SPAN_MS = 2500;

/** Bytes that must be available for another file, with its machines. */
const ROOM = 2 * 1024 ** 3;

/** Milliseconds of all cores since boot. */
export interface CoreTimes {
  readonly idle: number;
  readonly all: number;
}

export interface Computer {
  readonly cores: number;
  /** Milliseconds of a clock. */
  now(): number;
  times(): CoreTimes;
  available(): number;
}

const thisComputer: Computer = {
  cores: os.availableParallelism(),
  now: () => performance.now(),
  times: () => {
    const all = os.cpus().map(({ times }) => times);
    const idle = all.reduce((sum, times) => sum + times.idle, 0);
    return { idle, all: all.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle) };
  },
  available: availableMemory,
};

/** Bytes of memory that processes could take. */
export function availableMemory(): number {
  try {
    const text = readFileSync("/proc/meminfo", "utf8");
    return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return os.freemem();
  }
}

export class Places {
  readonly #computer: Computer;
  #since: number;
  #before: CoreTimes;

  constructor(computer = thisComputer) {
    this.#computer = computer;
    this.#since = computer.now();
    this.#before = computer.times();
  }

  /** How many files may run now, when `running` do. Asked again, with one more running, it answers by what came since. */
  now(running: number): number {
    const { cores } = this.#computer;
    const least = Math.max(2, Math.min(4, cores));
    if (running < least) return this.#measuredFrom(least);
    if (this.#computer.now() - this.#since < SPAN_MS) return running;
    const { idle, all } = this.#computer.times();
    const share = (idle - this.#before.idle) / Math.max(1, all - this.#before.all);
    const more = running < 4 * cores && share > IDLE_SHARE && this.#computer.available() > ROOM;
    return this.#measuredFrom(more ? running + 1 : running);
  }

  #measuredFrom(places: number): number {
    this.#since = this.#computer.now();
    this.#before = this.#computer.times();
    return places;
  }
}
