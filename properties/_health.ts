/** Checks whether a service is healthy after a start. */

import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { PosixTarget } from "consfigurator";
import { systemctl } from "./_systemctl";

const INTERVAL_MS = 50;
const REQUEST_TIMEOUT_MS = 5000;
/** Milliseconds that a service without a URL to ask must keep running. */
const MIN_UPTIME_MS = 1000;

/** How to check whether a service is healthy. */
export interface Health {
  /** A URL for GET. */
  readonly healthy?: string | undefined;
  /** Seconds. */
  readonly patience?: number | undefined;
}

export const DEFAULT_PATIENCE = 10;

/**
 * Waits until `unit`, just started, is healthy: it runs, and its URL, if it has one, returns a status below 400.
 * Otherwise returns the reason, after `patience` or as soon as the unit has exited.
 */
export async function unhealthy(
  target: PosixTarget,
  unit: string,
  { healthy: url, patience = DEFAULT_PATIENCE }: Health,
): Promise<string | undefined> {
  const started = performance.now();
  const polling = new AbortController();
  const answers = { last: "no answer yet" };
  const answered =
    url === undefined ? sleep(MIN_UPTIME_MS, true) : becomesHealthy(url, polling.signal, answers);
  try {
    for (;;) {
      if (await Promise.race([answered, sleep(INTERVAL_MS, false)])) return undefined;
      const exited = await exitReason(target, unit);
      if (exited !== undefined) return exited;
      if (performance.now() - started > patience * 1000)
        return `${url}: ${answers.last} (waited ${patience} s)`;
    }
  } finally {
    polling.abort();
  }
}

/** Asks until the answer is good. The last other answer is left in `answers`. */
async function becomesHealthy(url: string, signal: AbortSignal, answers: { last: string }): Promise<boolean> {
  while (!signal.aborted) {
    const answer = await ask(url, signal);
    if (answer === true) return true;
    answers.last = answer;
    await sleep(INTERVAL_MS);
  }
  return false;
}

async function exitReason(target: PosixTarget, unit: string): Promise<string | undefined> {
  const shown = ["ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts"];
  const { stdout } = await systemctl(target, ["show", unit, "--property", shown.join(",")], {});
  const is = Object.fromEntries(stdout.split("\n").map((line) => line.split(/=(.*)/s, 2))) as Record<
    string,
    string
  >;
  const state = is["ActiveState"];
  if (state === "active" && is["NRestarts"] === "0") return undefined;
  const cause = is["Result"] === "exit-code" ? `code ${is["ExecMainStatus"]}` : is["Result"];
  if (state === "active") return "it exited and was restarted";
  return state === "failed" || is["SubState"] === "auto-restart" || state === "inactive"
    ? `it exited (${cause})`
    : undefined;
}

/** True, or the reason why the answer is not good. */
function ask(url: string, signal: AbortSignal): Promise<true | string> {
  return new Promise((resolve) => {
    const { get } = url.startsWith("https:") ? https : http;
    const request = get(url, { agent: false, timeout: REQUEST_TIMEOUT_MS, signal }, (response) => {
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
