/** Whether a service that was started does what it is for. */

import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { PosixTarget } from "consfigurator";
import { systemctl } from "./_systemctl";

/** Milliseconds between one look and the next, and that an answer may take. */
const INTERVAL = 50;
const ANSWER = 5000;
/** Milliseconds that a service of which nothing can be asked must have run. */
const STEADY = 1000;

/** How it is found out whether a service is healthy. */
export interface Health {
  /** Asked with GET. */
  readonly healthy?: string | undefined;
  /** Seconds. */
  readonly patience?: number | undefined;
}

export const PATIENCE = 10;

/**
 * Waits until `unit`, just started, is healthy: runs, and answers with a status below 400 where there is something to
 * ask. Gives why it is not, after some time, or at once when it has ended.
 */
export async function unhealthy(
  target: PosixTarget,
  unit: string,
  { healthy: url, patience = PATIENCE }: Health,
): Promise<string | undefined> {
  const begun = performance.now();
  const asking = new AbortController();
  const answers = { last: "it has not answered yet" };
  const answered = url === undefined ? sleep(STEADY, true) : answersWell(url, asking.signal, answers);
  try {
    for (;;) {
      if (await Promise.race([answered, sleep(INTERVAL, false)])) return undefined;
      const ended = await hasEnded(target, unit);
      if (ended !== undefined) return ended;
      if (performance.now() - begun > patience * 1000) return `${url}: ${answers.last}, for ${patience} s`;
    }
  } finally {
    asking.abort();
  }
}

/** Asks until the answer is good. What comes before that is left in `answers`. */
async function answersWell(url: string, signal: AbortSignal, answers: { last: string }): Promise<boolean> {
  while (!signal.aborted) {
    const answer = await asked(url, signal);
    if (answer === true) return true;
    answers.last = answer;
    await sleep(INTERVAL);
  }
  return false;
}

async function hasEnded(target: PosixTarget, unit: string): Promise<string | undefined> {
  const shown = ["ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts"];
  const { stdout } = await systemctl(target, ["show", unit, "--property", shown.join(",")], {});
  const is = Object.fromEntries(stdout.split("\n").map((line) => line.split(/=(.*)/s, 2))) as Record<
    string,
    string
  >;
  const state = is["ActiveState"];
  if (state === "active" && is["NRestarts"] === "0") return undefined;
  const how = is["Result"] === "exit-code" ? `exit code ${is["ExecMainStatus"]}` : is["Result"];
  if (state === "active") return "it ended, and was started again";
  return state === "failed" || is["SubState"] === "auto-restart" || state === "inactive"
    ? `it ended (${how})`
    : undefined;
}

/** True, or what came in place of a good answer. */
function asked(url: string, signal: AbortSignal): Promise<true | string> {
  return new Promise((settled) => {
    const { get } = url.startsWith("https:") ? https : http;
    const request = get(url, { agent: false, timeout: ANSWER, signal }, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      settled(statusCode < 400 ? true : `it answers with status ${statusCode}`);
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${ANSWER / 1000} s`)));
    request.on("error", (error: NodeJS.ErrnoException) => settled(error.code ?? error.message));
  });
}
