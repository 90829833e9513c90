import type { DeployEvent } from "../../lib/model/events";
import { cleanDeployEvent } from "../../lib/model/host-events";
import { colour } from "../_colour";
import { userFrames } from "../_frames";
import { changeLines } from "./_changes";
import { hopProgress } from "./_hopProgress";
import { planNote, planResult, planWord } from "./_plan";
import { rehearsalLines } from "./_rehearsal";
import { outputOf, painted, withoutHost } from "./_text";
import { failedItself, type HostTree, type Step, Trees } from "./_tree";
import { duration } from "./_units";
import { advice, formatCommand, formatFailure, outcome } from "./_words";
import type { Out, View } from "./view";

/**
 * Prints a line for each finished step, for pipes and logs: status, host, description, time. Children precede their
 * parent. A failed step is followed by its full output, its failure and its site. Verbose deployments also show hops,
 * and each step's commands and output.
 */
export function linesView(out: Out): View {
  const trees = new Trees();
  /** The host on which each failure was printed. */
  const failed = new Map<string, string>();
  const print = (...lines: string[]) => void out.write(`${lines.join("\n")}\n`);
  return {
    add(given) {
      const event = cleanDeployEvent(given);
      const tree = trees.add(event);
      const lines = LINES[event.kind]?.(event as never, tree, failed) ?? [];
      if (lines.length > 0) print(...lines);
    },
    settle() {
      const next = advice(trees.hosts);
      if (next) print(colour.dim(next));
    },
  };
}

type Lines = {
  [K in DeployEvent["kind"]]?: (
    event: Extract<DeployEvent, { kind: K }>,
    tree: HostTree,
    failed: Map<string, string>,
  ) => string[];
};

const LINES: Lines = {
  "hop-opened": (event, { verbose }) => (verbose ? [asideLine("hop", event.host, hopProgress(event))] : []),
  upload: (event, { verbose }) =>
    verbose && event.sent === event.total ? [asideLine("upload", event.host, hopProgress(event))] : [],
  "command-ran": ({ host, step, command, exit, ms }) =>
    step === undefined ? [asideLine("command", host, formatCommand({ step, command, exit, ms }))] : [],
  waiting: ({ host, reason }) => [`${status("waiting", colour.cyan)} ${host} :: ${reason}`],
  notice: (_, { host, notices }) => {
    const [first = "", ...more] = notices.at(-1)?.split("\n") ?? [];
    return [`${status("notice", colour.cyan)} ${host} :: ${first}`, ...more.flatMap(indented)];
  },
  "step-ended": ({ step }, tree, failed) => {
    const ended = tree.steps.get(step);
    return ended ? stepLines(tree, ended, failed) : [];
  },
  rehearsed: ({ rehearsal }) => rehearsalLines(rehearsal, " ".repeat(10)),
  "deployment-ended": (_, tree, failed) => [
    ...(tree.failure &&
    ![...tree.steps.values()].some((step) => step.failure?.message === tree.failure?.message)
      ? once(
          indented(formatFailure(tree.failure)).map((line) => colour.red(line)),
          tree,
          failed,
        )
      : []),
    `${status(tree.plan ? planResult(tree) : tree.status, (text) => painted(tree.status, text), tree.plan)} ${colour.bold(tree.host)}: ${outcome(tree)}`,
  ],
};

/** Padded to the longest status, so that hosts are aligned. */
const status = (word: string, paint: (text: string) => string, isPlan = false): string =>
  paint(word.padEnd(isPlan ? 12 : 9));

const asideLine = (word: string, host: string, text: string): string =>
  colour.dim(`${word.padEnd(9)} ${host} :: ${text}`);

function stepLines(tree: HostTree, step: Step, failed: Map<string, string>): string[] {
  const { host, verbose, diff } = tree;
  const note = planNote(step, tree);
  const reason = note ? ` (${note})` : "";
  const time = step.ms > 0 ? colour.dim(` ${duration(step.ms)}`) : "";
  const word = tree.plan ? planWord(step) : step.status;
  const line = `${status(word, (text) => painted(step.status, text), tree.plan)} ${host} :: ${"  ".repeat(step.depth)}${step.desc}${reason}${time}`;
  const commands = step.commands.map((command) => colour.dim(`        ${formatCommand(command)}`));
  const output = indented(outputOf(step).trimEnd()).map((text) => text.replace(/^ {10}/, "        | "));
  const changes = diff ? changeLines(step.changes, " ".repeat(10)) : [];
  if (!failedItself(step)) return [line, ...(verbose ? [...commands, ...output] : []), ...changes];
  const details = [
    ...commands,
    ...output,
    ...changes,
    ...(step.failure ? indented(formatFailure(step.failure)).map((text) => colour.red(text)) : []),
    ...indented(`${step.property}, at ${step.site}`),
    ...userFrames(step.failure?.stack).flatMap(indented),
  ];
  return [line, ...once(details, tree, failed)];
}

/** The `details` of a failure, unless another host has failed in the same way: then that. */
function once(details: string[], tree: HostTree, failed: Map<string, string>): string[] {
  const key = withoutHost(details.join("\n"), tree);
  const other = failed.get(key) ?? tree.host;
  failed.set(key, other);
  return other === tree.host ? details : indented(`the same as on ${other}`);
}

const indented = (text: string): string[] =>
  text ? text.split("\n").map((line) => `${" ".repeat(10)}${line}`) : [];
