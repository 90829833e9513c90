import type { FileChange } from "./changes";

/** What a rehearsal found in its clone, besides the report of the deployment there. Plain data. */
export interface Rehearsal {
  /** True: nothing failed that a clone allows to try. */
  readonly ok: boolean;
  /** The files that differ from those of the host, without those that are only counted. */
  readonly changes: readonly FileChange[];
  readonly counted: readonly CountedFiles[];
  /** The units that were started there, or failed. */
  readonly units: readonly RehearsedUnit[];
  /** What could not be tried there, and why. */
  readonly notTried: readonly string[];
  /** Milliseconds until the clone was up. */
  readonly cloneMs: number;
  /** Bytes of memory that its changed files took. */
  readonly memory: number;
}

/** A directory with many changes by packages and the system. */
export interface CountedFiles {
  readonly directory: string;
  readonly files: number;
}

export interface RehearsedUnit {
  readonly unit: string;
  /** As systemctl(1) says it, such as "active (running)". */
  readonly state: string;
  readonly healthy: boolean;
}
