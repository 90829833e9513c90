/** What systemd says of a unit's past: whether it runs, since when, and how often it was restarted. */
import type { HostParts, PosixTarget } from "consfigurator";
import { systemdEnvironment } from "./_systemctl";
import { aboutUnits, unitLook } from "./_systemctlVerbs";

export interface Unit {
  readonly unit: string;
  readonly userInstance?: boolean | undefined;
}

export type State = Partial<Record<string, string>>;

/** Seconds that a unit must run before its start counts. */
export const MIN_UPTIME = 1;
/** A unit that systemd has restarted this often, last within `SETTLED_S` seconds, is in a crash loop. */
export const MANY_RESTARTS = 3;
export const SETTLED_S = 60;

/** Ticks in a second, as Linux counts them for programs (USER_HZ). */
const TICKS = 100;

/** The state of a unit in what `unitLook` has printed. */
export const stateIn = (text: string): State =>
  Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => line.split(/=(.*)/s, 2)),
  ) as State;

export const isUp = ({ ActiveState: active }: State): boolean =>
  active === "active" || active === "reloading" || active === "refreshing";

/** Seconds since the unit became active; Infinity when that is not known. */
export function upFor({ Now: now, ActiveEnterTimestampMonotonic: since }: State): number {
  if (now === undefined || since === undefined) return Number.POSITIVE_INFINITY;
  return Number(now) / TICKS - Number(since) / 1e6;
}

/** `systemd has restarted it …` of a unit in a crash loop that happens to run; undefined for any other. */
export function crashLoop(state: State): string | undefined {
  const restarts = restartsOf(state);
  if (!isUp(state) || restarts < MANY_RESTARTS || upFor(state) >= SETTLED_S) return undefined;
  return `systemd has restarted it ${restarts} times, last ${Math.max(0, Math.round(upFor(state)))} s ago`;
}

const restartsOf = ({ NRestarts: restarts = "0" }: State): number => Number(restarts);

/**
 * Whether a unit runs, and goes on running: `state` shows it. `again` looks a moment later; only a unit that has just been
 * started, or that was restarted not long ago, is looked at again.
 */
export async function isSteady(state: State, again: () => Promise<State>): Promise<boolean> {
  if (!isUp(state) || crashLoop(state) !== undefined) return false;
  if (upFor(state) >= (restartsOf(state) === 0 ? MIN_UPTIME : SETTLED_S)) return true;
  const later = await again();
  return isUp(later) && later["InvocationID"] === state["InvocationID"];
}

/** Whether systemd runs the unit, and goes on doing so. */
export const runsSteadily = async (target: PosixTarget, args: Unit): Promise<boolean> =>
  isSteady(await look(target, args), () => look(target, args, { wait: MIN_UPTIME }));

interface Look {
  /** Seconds. */
  readonly wait?: number;
  /** What prints the state, if not systemctl alone. */
  readonly command?: string;
  readonly about?: HostParts;
}

/** The state of the unit, after `wait`. */
export async function look(
  target: PosixTarget,
  args: Unit,
  { wait = 0, command = unitLook(args.unit, args), about = aboutUnits([args.unit]) }: Look = {},
): Promise<State> {
  const env = await systemdEnvironment(target, args);
  const later = wait === 0 ? command : `sleep ${wait}; ${command}`;
  return stateIn((await target.query(later, { mayFail: true, about, env })).stdout);
}
