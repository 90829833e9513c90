import type { Failure } from "../../lib/model/errors";
import type { CommandReport, Report } from "../../lib/model/report";
import { failures, type HostTree, leaves, type Step } from "./_tree";
import { duration } from "./_units";

/** `› systemctl is-active nginx (exit code 3, 12 ms)`, on one line. */
export function commandInWords({ command, exit, ms }: CommandReport): string {
  const ended = exit === undefined ? "broken off" : `exit code ${exit}`;
  const line = plain(command)
    .trim()
    .replace(/\s*\n\s*/g, " ⏎ ");
  return `› ${line} (${ended}, ${duration(ms)})`;
}

export interface Counts {
  readonly changed: number;
  readonly unchanged: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Steps made of others are not counted, unless they failed by themselves. */
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
export function countsInWords(tree: HostTree): string {
  const counted = Object.entries(counts(tree)).filter(([, count]) => count > 0);
  return counted.map(([word, count]) => `${count} ${word}`).join(", ");
}

/** What a deployment of one host came to, in a line without its name. */
export function outcome(tree: HostTree): string {
  const counted = countsInWords(tree);
  const time = `in ${duration(tree.ms)}`;
  switch (tree.status) {
    case "refused":
      return "refused: nobody was connected to";
    case "cancelled":
      return `cancelled${counted && `: ${counted}`} ${time}`;
    case "detached":
      return `stopped${counted && `: ${counted}`} ${time}; the running step goes on there`;
    case "failed":
      return counted ? `${counted} ${time}` : `failed ${time}`;
    case "running":
      return counted;
    default:
      return counted ? `${counted} ${time}` : `nothing to do, ${time}`;
  }
}

/** Whether nobody was at the host at all. */
export const isConnectionFailure = ({ failure, steps }: Pick<Report, "failure" | "steps">): boolean =>
  failure?.name === "ConnectionFailed" && steps.length === 0;

/** Their names would tell nothing that the message does not. */
const OURS = new Set([
  "AbortedChange",
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

/** Whether it is one that properties and the engine throw on purpose; else it is a mistake in code. */
export const isExpected = ({ name }: Pick<Failure, "name">): boolean => OURS.has(name);

/** The name and message of a failure; a `FailedChange` is what is expected, its name would tell nothing. */
export const failureInWords = ({ name, message }: Failure): string =>
  isExpected({ name }) ? message : `${name}: ${message}`;

/** What to do after a deployment that failed. */
export function advice(trees: readonly HostTree[]): string | undefined {
  const failed = trees.filter(
    ({ status }) => status !== "changed" && status !== "unchanged" && status !== "running",
  );
  if (failed.length === 0) return undefined;
  if (failed.some(({ status }) => status === "refused")) return "correct the consfig and deploy again";
  const site = failed
    .filter(({ status }) => status === "failed")
    .flatMap(failures)
    .at(0)?.site;
  if (site) return `what failed was said at ${site}; the steps that hold already will not be done again`;
  if (failed.every(({ status }) => status === "failed")) return undefined; // its message says what to do
  return "deploy again to go on: what holds already will not be done again";
}

/** The last line of what a step printed, fit to be shown on one line. */
export function lastLine(output: string): string {
  const line =
    output
      .slice(-LINE)
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1) ?? "";
  return plain(line).trim();
}

/** Longer lines are not looked for: this is asked many times a second. */
const LINE = 2000;

/** `text` without what would move the cursor or change colours. */
export const plain = (text: string): string =>
  text.replace(
    /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007]*\u0007|[\u0000-\u0008\u000b-\u001f\u007f]/g,
    "",
  );
