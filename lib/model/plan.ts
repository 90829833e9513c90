import { ConsfigError } from "./errors";
import type { PlannedAct } from "./planned-acts";

/**
 * What a plan says of one step.
 *
 * - `holds`: it would be unchanged.
 * - `would change`: it would change something; the changes are reported as `step-changed`.
 * - `depends`: that depends on what earlier steps change; the status of the step says how it is now.
 * - `would fail`: it would fail with the failure of the step.
 * - `unknown`: it cannot be asked, and `reason` says why.
 */
export interface PlanAnswer {
  readonly answer: "holds" | "would change" | "depends" | "would fail" | "unknown";
  /** The earlier steps that it depends on, by number. */
  readonly dependsOn?: readonly number[];
  readonly reason?: string;
  /** True: the step does more, which a plan cannot tell. */
  readonly open?: boolean;
  /** Only where it was asked for: the absolute paths that the step looks at or changes. */
  readonly paths?: readonly string[];
}

/** Paths of one step that are noted. */
export const MOST_PATHS = 1000;

/** What is found out about one step while it is planned. */
export class Findings {
  /** The earlier steps on which the answers to this step's questions depend. */
  readonly dependsOn = new Set<number>();
  /** The earlier steps on which parts of this step depend that are no steps themselves. */
  readonly inside = new Set<number>();
  /** Why nothing can be said of the step. */
  unknown: string | undefined;
  /** True once the step does something whose result is not known. */
  open = false;
  /** True once it is certain that the step changes something, whatever it asks afterwards. */
  acts = false;
  /** Where it is asked for: the absolute paths that the step looks at or changes. */
  paths: Set<string> | undefined;
  /** What still finds out such a path. */
  readonly noting: Promise<void>[] = [];

  /**
   * `step`: the number of the step; 0 for what happens between steps. `ahead`: its turn has not come, and the only thing of
   * interest is what it asks before its first command that acts.
   */
  constructor(
    readonly step: number,
    readonly ahead = false,
  ) {}

  /** Notes that the step looks at `path`. */
  looksAt(path: string): void {
    if (this.paths && this.paths.size < MOST_PATHS) this.paths.add(path);
  }

  /** True while the step certainly does what it is seen to do. */
  get certain(): boolean {
    return this.dependsOn.size === 0 && this.unknown === undefined;
  }
}

/** What the engine tells the target of a step in a plan. */
export interface PlanningStep {
  /** Steps inside it would do `acts`. */
  changesInside(acts: readonly PlannedAct[]): void;
  /** The step may change anything. */
  mayChange(): void;
  /** What the step does depends on every earlier step that changes anything. */
  dependOnEarlier(): void;
}

/** More than there can be steps. */
const FAR = 1_000_000;

/** The number, in a nested plan, of the step `step` of the plan around it: below 0. */
export const seenFromInside = (step: number): number => (step > 0 ? -step : step - FAR);

/** The reverse of `seenFromInside`. */
export const seenFromOutside = (step: number): number => (step <= -FAR ? step + FAR : -step);

/** A plan does not fetch this data. */
export class NotFetched extends ConsfigError {}

/** Ends the planning of a slot at an act whose result is not known. Never leaves the engine. */
export class PlanEnds extends Error {
  override readonly name = "PlanEnds";
}

/** Whether `error` only ends the planning of a slot, or what it asks ahead of its turn. */
export const stopsPlan = (error: unknown): boolean => error instanceof PlanEnds;
