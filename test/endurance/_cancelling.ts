/** Cancels deployments at random moments, as two Ctrl-C do, and looks whether anything of them goes on. */
import { execFileSync } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { deployThese } from "../../lib/controller/deploy";
import type { Deployment } from "../../lib/controller/deployment";
import { session } from "../../lib/controller/session";
import type { DeployEvent } from "../../lib/model/events";
import type { Hop } from "../../lib/model/hop";
import type { PropApp } from "../../lib/model/property";
import type { Report } from "../../lib/model/report";
import { prop } from "../lib/agent/_rig";
import type { Random } from "../support/random";
import { type Kind, kinds, type Place } from "./_steps";

/** Milliseconds within which a cancelled deployment has ended, as documented in docs/reliability.md. */
export const CANCEL_LIMIT_MS = 5000;
/** Milliseconds within which the next deployment of the host has ended; it may have to connect again. */
const NEXT_LIMIT_MS = 20_000;
/** Milliseconds within which the steps before the endless one have begun, on a machine that is busy. */
const BEGIN_LIMIT_MS = 30_000;

/** A chain of hops, and what is at its end. */
export interface Way extends Place {
  readonly name: string;
  readonly hops: readonly Hop[];
}

export interface Trial {
  readonly way: string;
  readonly kind: string;
  /** What the deployment was doing when it was cancelled. */
  readonly moment: string;
  /** The status of the cancelled deployment. */
  readonly status: string;
  /** Milliseconds from the second Ctrl-C to the report. */
  readonly ms: number;
  /** Milliseconds that the next deployment took. */
  readonly next: number;
  /** What is not as it should be, with what was seen. */
  readonly problems: readonly string[];
}

/** A choice of one way and one kind that fits it; the n-th call gives each way and each kind its turn. */
export function choose(ways: readonly Way[], n: number, on: Random): { way: Way; kind: Kind } {
  const way = ways[n % ways.length] as Way;
  const fitting = kinds.filter(({ fits }) => fits?.(way) ?? true);
  return { way, kind: on.pick(fitting) };
}

/** Deploys, cancels, and deploys again. `mark`: digits that no other process has in its arguments. */
export async function cancelOnce(
  { way, kind }: { way: Way; kind: Kind },
  mark: string,
  on: Random,
): Promise<Trial> {
  if (on.chance(0.3)) await session.connections.close();
  const file = `/tmp/endless-${mark}`;
  const step = kind.step(mark, file, way);
  const deployment = deployTo(way, prop("cmd.single", "true"), step, prop("cmd.single", `sleep ${mark}`));
  const events: DeployEvent[] = [];
  deployment.subscribe((event) => void events.push(event));
  const problems: string[] = [];
  if (!(await momentOf(deployment, events, on)))
    problems.push(`it did not come to its steps within ${BEGIN_LIMIT_MS} ms`);
  const moment = doing(events);
  deployment.stop();
  if (on.chance(0.5)) await pause(on.below(300));
  const started = performance.now();
  deployment.cancel();
  const report = await within(4 * CANCEL_LIMIT_MS, deployment);
  const ms = Math.round(performance.now() - started);
  if (!report) problems.push(`no report within ${4 * CANCEL_LIMIT_MS} ms`);
  else problems.push(...misreported(report, kind));
  if (ms > CANCEL_LIMIT_MS) problems.push(`the report took ${ms} ms`);
  problems.push(...(await running(mark)).map((line) => `goes on: ${line}`));
  const next = await deployNext(way, file, problems);
  const trial = { way: way.name, kind: kind.name, moment, status: report?.status ?? "none", ms, next };
  if (problems.length > 0) problems.push(...eventsInWords(events));
  return { ...trial, problems };
}

const deployTo = ({ hops }: Way, ...applications: PropApp[]): Deployment<Report> =>
  deployThese("web1.example.org", hops as unknown as Hop, ...applications);

/** A random moment: within three seconds of the beginning, or within one of the beginning of a step. False: none began. */
async function momentOf(
  deployment: Deployment<Report>,
  events: readonly DeployEvent[],
  on: Random,
): Promise<boolean> {
  if (on.chance(0.4)) {
    await pause(on.below(3000));
    return true;
  }
  const started = () => events.filter(({ kind }) => kind === "step-started").length;
  const wanted = 1 + on.below(2);
  const limit = performance.now() + BEGIN_LIMIT_MS;
  while (started() < wanted && !deployment.over) {
    if (performance.now() > limit) return false;
    await pause(5);
  }
  await pause(on.below(1000));
  return true;
}

const within = async (ms: number, deployment: Deployment<Report>): Promise<Report | undefined> =>
  Promise.race([deployment, pause(ms, undefined, { ref: false })]);

function* misreported(report: Report, kind: Kind): Iterable<string> {
  const { status, failure, steps } = report;
  if (status === "cancelled" || (kind.ends && status === "changed")) return;
  const failed = steps.filter((each) => each.status === "failed").map((each) => each.failure?.message);
  yield `reported as ${status}: ${[failure?.message, ...failed].filter(Boolean).join("; ")}`;
}

/** The last event that says what is going on. */
function doing(events: readonly DeployEvent[]): string {
  const last = events.findLast(({ kind }) => kind !== "step-output" && kind !== "step-preview");
  if (!last) return "nothing yet";
  if (last.kind === "step-started") return `in ${last.property}`;
  return last.kind === "hop-opening" ? `opening ${last.hop.slice(0, 20)}` : last.kind;
}

const eventsInWords = (events: readonly DeployEvent[]): string[] =>
  events
    .filter(({ kind }) => kind !== "step-output" && kind !== "step-preview")
    .map((event) => `  ${JSON.stringify(event).slice(0, 300)}`);

/** The processes with `mark` in their arguments, once those that are just ending have ended. */
async function running(mark: string): Promise<string[]> {
  for (let look = 0; ; look += 1) {
    const found = processesWith(mark);
    if (found.length === 0 || look === 10) return found;
    await pause(100);
  }
}

/** Also those in containers and on test machines, whose processes this computer sees. */
const processesWith = (mark: string): string[] =>
  execFileSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,etimes=,args="], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  })
    .split("\n")
    .filter((line) => line.includes(mark) && !/^\s*\d+\s+\d+\s+Z/.test(line))
    .map((line) => line.trim().slice(0, 200));

/** Deploys again, which must work at once, and see no file of the cancelled deployment change. */
async function deployNext(way: Way, file: string, problems: string[]): Promise<number> {
  const look = `cat ${file} ${file}/* 2>/dev/null | cksum`;
  const started = performance.now();
  const deployment = deployTo(way, prop("probe.runs", `${look}; sleep 0.3; ${look}; rm -rf ${file}*`));
  const events: DeployEvent[] = [];
  deployment.subscribe((event) => void events.push(event));
  const report = await within(2 * NEXT_LIMIT_MS, deployment);
  const ms = Math.round(performance.now() - started);
  if (!report) {
    problems.push(`the next deployment has no report after ${ms} ms`, ...eventsInWords(events));
    await deployment.cancel();
    return ms;
  }
  const lines = report.steps[0]?.output.trim().split("\n") ?? [];
  if (!report.ok || lines.length !== 2)
    problems.push(
      `the next deployment: ${report.status}, ${report.failure?.message ?? report.steps[0]?.failure?.message}`,
    );
  else if (lines[0] !== lines[1]) problems.push(`its files still change: ${lines.join(", then ")}`);
  if (ms > NEXT_LIMIT_MS) problems.push(`the next deployment took ${ms} ms`);
  return ms;
}
