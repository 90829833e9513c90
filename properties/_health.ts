/** Checks whether a service is healthy after a start. */

import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { PosixTarget } from "consfigurator";
import { systemctl } from "./_systemctl";

const INTERVAL_MS = 50;
/** The longest time between two looks at the unit, each of which starts a process. */
const LONGEST_INTERVAL_MS = 250;
const REQUEST_TIMEOUT_MS = 5000;

/** How to check whether a service is healthy. */
export interface Health {
  /** A URL for GET. */
  readonly healthy?: string | undefined;
  /** Seconds until the service must be healthy. */
  readonly patience?: number | undefined;
  /** Seconds that it must stay healthy. */
  readonly steady?: number | undefined;
}

export const DEFAULT_PATIENCE = 10;
export const DEFAULT_STEADY = 2;

/** Where a URL is asked, if not at its own host and port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Waits until `unit`, just started, has been healthy for `steady` seconds without a break: the same process runs, and each
 * GET of the URL, if there is one, returns a status below 400. Otherwise returns the reason: as soon as the unit has
 * exited, or when it is not healthy after `patience`.
 */
export async function unhealthy(
  target: PosixTarget,
  unit: string,
  { healthy: url, patience = DEFAULT_PATIENCE, steady = DEFAULT_STEADY }: Health,
  at?: Address,
): Promise<string | undefined> {
  const deadline = performance.now() + patience * 1000;
  const answers = new Answers(url, at);
  let first: UnitState | undefined;
  let runningSince: number | undefined;
  try {
    for (let interval = INTERVAL_MS; ; interval = Math.min(interval * 1.5, LONGEST_INTERVAL_MS)) {
      const state = await unitState(target, unit);
      const ended = reasonOfEnd(state, first);
      if (ended !== undefined) return ended;
      if (isActive(state)) {
        first ??= state;
        runningSince ??= performance.now();
      }
      const since = url === undefined ? runningSince : answers.goodSince;
      const until = url === undefined ? performance.now() : answers.goodUntil;
      const isGood = isActive(state) && since !== undefined;
      const left = isGood ? steady * 1000 - (until - since) : deadline - performance.now();
      if (isGood && left <= 0) return undefined;
      if (!isGood && left < 0) {
        const seen =
          isActive(state) && url !== undefined
            ? `${url}: ${answers.last}`
            : `it is still ${state["ActiveState"]} (${state["SubState"]})`;
        return `${seen} (waited ${patience} s)`;
      }
      await sleep(Math.min(interval, Math.max(left, INTERVAL_MS)));
    }
  } finally {
    answers.stop();
  }
}

/** Asks a URL again and again, and knows since when all answers are good. */
class Answers {
  last = "no answer yet";
  goodSince: number | undefined;
  goodUntil = 0;
  readonly #polling = new AbortController();

  constructor(url: string | undefined, at: Address | undefined) {
    if (url !== undefined) void this.#poll(url, at);
  }

  stop(): void {
    this.#polling.abort();
  }

  async #poll(url: string, at: Address | undefined): Promise<void> {
    const { signal } = this.#polling;
    while (!signal.aborted) {
      const answer = await ask(url, signal, at);
      if (answer === true) {
        this.goodUntil = performance.now();
        this.goodSince ??= this.goodUntil;
      } else {
        this.last = this.goodSince === undefined ? answer : `${answer}, after good answers`;
        this.goodSince = undefined;
      }
      await sleep(INTERVAL_MS);
    }
  }
}

export type UnitState = Partial<Record<string, string>>;

const SHOWN = ["ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts", "InvocationID", "Job"];

/** What systemd says about the state of `unit`; `more` names further properties. */
export async function unitState(
  target: PosixTarget,
  unit: string,
  ...more: readonly string[]
): Promise<UnitState> {
  const { stdout } = await systemctl(target, ["show", unit, "--property", [...SHOWN, ...more].join(",")], {});
  return Object.fromEntries(stdout.split("\n").map((line) => line.split(/=(.*)/s, 2))) as UnitState;
}

const isActive = (state: UnitState): boolean => state["ActiveState"] === "active";

/** How the unit ended; undefined while it runs, or is about to. `first` is the state when it was first seen to run. */
function reasonOfEnd(state: UnitState, first: UnitState | undefined): string | undefined {
  const { Result: result, ActiveState: active, SubState } = state;
  if (SubState === "auto-restart") return `it exited (${causeOf(state)})`;
  if (isActive(state)) {
    const isSame =
      first === undefined ||
      (first["InvocationID"] === state["InvocationID"] && first["NRestarts"] === state["NRestarts"]);
    return isSame ? undefined : "it exited and was restarted";
  }
  // A start that is queued has not been tried yet.
  if ((state["Job"] ?? "") !== "" && first === undefined) return undefined;
  if (active === "failed" || active === "inactive") return `it exited (${causeOf(state)})`;
  if (active === "deactivating" && result !== "success") return `it exited (${causeOf(state)})`;
  return undefined;
}

function causeOf({ Result: result = "unknown", ExecMainStatus: status }: UnitState): string {
  // Of a unit that may start only once, systemd says that instead.
  if (result === "exit-code" || result === "success" || result === "start-limit-hit") return `code ${status}`;
  return result === "signal" || result === "core-dump" ? `signal ${status}` : result;
}

/** True, or the reason why the answer is not good. */
function ask(url: string, signal: AbortSignal, at: Address | undefined): Promise<true | string> {
  return new Promise((resolve) => {
    const { get } = url.startsWith("https:") ? https : http;
    const elsewhere = at && {
      ...at,
      servername: new URL(url).hostname,
      headers: { host: new URL(url).host },
    };
    const options = { agent: false, timeout: REQUEST_TIMEOUT_MS, signal, ...elsewhere };
    const request = get(url, options, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      resolve(statusCode < 400 ? true : `status ${statusCode}`);
    });
    request.on("timeout", () =>
      request.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS / 1000} s`)),
    );
    request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
