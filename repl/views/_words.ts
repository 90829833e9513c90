import type { Failure } from "../../lib/model/errors";
import type { CommandReport, Report } from "../../lib/model/report";
import { cleanLine, cleanText } from "../../lib/util/clean-text";
import { planCounts } from "./_plan";
import { failures, type HostTree, leaves, type Step } from "./_tree";
import { duration } from "./_units";

/** `› systemctl is-active nginx (exit code 3, 12 ms)`, on one line. */
export function formatCommand({ command, exit, ms }: CommandReport): string {
  const ended = exit === undefined ? "interrupted" : `exit code ${exit}`;
  return `› ${cleanLine(command).trim()} (${ended}, ${duration(ms)})`;
}

export interface Counts {
  readonly changed: number;
  readonly unchanged: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Steps with children are counted only if they failed themselves. */
export function counts(tree: HostTree): Counts {
  const of = (status: Step["status"]) => leaves(tree).filter((step) => step.status === status).length;
  return {
    changed: of("changed"),
    unchanged: of("unchanged"),
    failed: failures(tree).length,
    skipped: of("skipped"),
  };
}

/** `3 changed, 5 unchanged, 1 failed`. */
export function formatCounts(tree: HostTree): string {
  if (tree.plan) return planCounts(tree);
  const counted = Object.entries(counts(tree)).filter(([, count]) => count > 0);
  return counted.map(([word, count]) => `${count} ${word}`).join(", ");
}

/** The result of deploying one host, in a line without its name. */
export function outcome(tree: HostTree): string {
  const counted = formatCounts(tree);
  const done = tree.plan ? "planned" : tree.rehearsing ? "rehearsed" : undefined;
  const time = done ? `(${done} in ${duration(tree.ms)})` : `in ${duration(tree.ms)}`;
  switch (tree.status) {
    case "refused":
      return "refused before connecting";
    case "cancelled":
      return `cancelled${counted && `: ${counted}`} ${time}`;
    case "detached":
      return `stopped${counted && `: ${counted}`} ${time}; the running step continues on the host`;
    case "failed":
      return counted ? `${counted} ${time}` : `failed ${time}`;
    case "running":
      return counted;
    default:
      return counted ? `${counted} ${time}` : `nothing to do, ${time}`;
  }
}

/** Whether the host was never reached. */
export const isConnectionFailure = ({ failure, steps }: Pick<Report, "failure" | "steps">): boolean =>
  failure?.name === "ConnectionFailed" && steps.length === 0;

/** Errors whose name says no more than their message. */
const EXPECTED = new Set([
  "AbortedChange",
  "NotAsPlanned",
  "MissingData",
  "FailedChange",
  "RunFailed",
  "Refused",
  "ConnectionFailed",
  "Cancelled",
  "InapplicableProperty",
  "InvalidArguments",
  "ConsfigLoadError",
]);

/** Whether properties and the engine throw it on purpose; otherwise it is a bug in code. */
export const isExpected = ({ name }: Pick<Failure, "name">): boolean => EXPECTED.has(name);

/** The name and message of a failure; only the message if the name adds nothing. */
export const formatFailure = ({ name, message }: Failure): string =>
  cleanText(isExpected({ name }) ? message : `${name}: ${message}`);

/** What to do after a deployment that failed. */
export function advice(trees: readonly HostTree[]): string | undefined {
  if (trees.some(({ plan, rehearsing }) => plan || rehearsing)) return undefined;
  const failed = trees.filter(
    ({ status }) => status !== "changed" && status !== "unchanged" && status !== "running",
  );
  if (failed.length === 0) return undefined;
  if (failed.some(({ status }) => status === "refused")) return "fix the consfig and deploy again";
  const site = failed
    .filter(({ status }) => status === "failed")
    .flatMap(failures)
    .at(0)?.site;
  if (site) return `failed step: ${site}; finished steps are skipped next time`;
  if (failed.every(({ status }) => status === "failed")) return undefined; // the message says what to do
  return "deploy again to continue; finished steps are skipped";
}

/** The last line of a step's output. */
export function lastLine(output: string): string {
  return cleanText(output.slice(-MAX_LINE)).trimEnd().split("\n").at(-1)?.trim() ?? "";
}

/** Only the end of a longer line is read: this is called many times a second. */
const MAX_LINE = 2000;
