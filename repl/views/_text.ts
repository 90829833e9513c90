import { colour } from "../_colour";
import { userFrames } from "../_frames";
import { fitted } from "../_layout";
import { failures, type HostTree, inOrder, type Step } from "./_tree";
import { duration } from "./_units";
import { advice, commandInWords, counts, failureInWords, outcome, plain } from "./_words";

/** How the status of a step or host is painted: a sign and a colour for each. */
const SIGNS = {
  unchanged: { sign: "=", paint: (text: string) => colour.dim(text) },
  changed: { sign: "+", paint: (text: string) => colour.green(text) },
  failed: { sign: "✗", paint: (text: string) => colour.red(text) },
  refused: { sign: "✗", paint: (text: string) => colour.red(text) },
  skipped: { sign: "-", paint: (text: string) => colour.yellow(text) },
  unfinished: { sign: "?", paint: (text: string) => colour.yellow(text) },
  cancelled: { sign: "?", paint: (text: string) => colour.yellow(text) },
  detached: { sign: "?", paint: (text: string) => colour.yellow(text) },
  running: { sign: "▸", paint: (text: string) => colour.cyan(text) },
} satisfies Record<Step["status"] | HostTree["status"], { sign: string; paint: (text: string) => string }>;

export const painted = (status: keyof typeof SIGNS, text: string): string => SIGNS[status].paint(text);
export const sign = (status: keyof typeof SIGNS): string => SIGNS[status].paint(SIGNS[status].sign);

/** Above this, steps that were as they should be are counted instead of listed. */
const LISTED = 12;
/** Above this many hosts, only what failed is shown besides a line for each. */
const HOSTS_IN_FULL = 3;

/**
 * What stays on the screen after a deployment: no wider than it must be, as long as it needs. `attended`: what to do about
 * a failure is asked next, so it is not told. `said`: what was wrong with the consfig, if that stands just above.
 */
export function finalText(
  trees: readonly HostTree[],
  { full = false, attended = false, said = "" } = {},
): string {
  const brief = trees.length > HOSTS_IN_FULL;
  const lines = trees.flatMap((tree) => [
    ...(full || tree.verbose
      ? stepLines(tree, true)
      : brief
        ? failures(tree).flatMap((step) => shownStep(step, false))
        : stepLines(tree, false)),
    ...troubleLines(tree, said),
    hostLine(tree),
  ]);
  const isAsked = attended && trees.some(({ status }) => status === "failed");
  const next = isAsked ? undefined : advice(trees);
  if (trees.length > 1) lines.push(fleetLine(trees));
  if (next) lines.push(...fitted(next, "  ").map((line) => colour.dim(line)));
  return lines.join("\n");
}

const hostLine = (tree: HostTree): string =>
  `${sign(tree.status)} ${colour.bold(tree.host)}: ${outcome(tree)}`;

function fleetLine(trees: readonly HostTree[]): string {
  const by = (wanted: HostTree["status"][]) => trees.filter(({ status }) => wanted.includes(status)).length;
  const parts = [
    [by(["changed"]), "changed"],
    [by(["unchanged"]), "unchanged"],
    [by(["failed", "refused"]), "failed"],
    [by(["cancelled", "detached"]), "broken off"],
  ] as const;
  const said = parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return `${trees.length} hosts: ${said.join(", ")} in ${duration(Math.max(...trees.map(({ ms }) => ms)))}`;
}

function stepLines(tree: HostTree, full: boolean): string[] {
  const all = inOrder(tree.roots);
  const hidden = !full && all.length > LISTED;
  const shown = hidden ? all.filter(({ status }) => status !== "unchanged") : all;
  const lines = shown.flatMap((step) => shownStep(step, full));
  const unchanged = counts(tree).unchanged;
  if (hidden && unchanged > 0)
    lines.push(colour.dim(`  = ${unchanged} ${unchanged === 1 ? "step" : "steps"} unchanged`));
  const before = [...(tree.verbose ? tree.way : []), ...tree.commands.map(commandInWords)];
  return [
    ...before.map((line) => colour.dim(`  ${line}`)),
    ...tree.notices.flatMap((notice) => fitted(notice, "  ").map((line) => colour.dim(line))),
    ...lines,
  ];
}

const shownStep = (step: Step, full: boolean): string[] => [stepLine(step), ...detailLines(step, full)];

export function stepLine(step: Step): string {
  const time = step.ms >= SLOW ? colour.dim(` ${duration(step.ms)}`) : "";
  const reason = step.reason ? colour.dim(` (${step.reason})`) : "";
  const desc = step.status === "unchanged" ? colour.dim(step.desc) : step.desc;
  return `${indent(step)}${sign(step.status)} ${desc}${reason}${time}`;
}

/** Shorter than this is not worth telling. */
const SLOW = 100;

const indent = ({ depth }: Step): string => "  ".repeat(depth + 1);

/** The commands that a step ran, when they were told. Of a failed step: its whole output, what failed, where it was said, and the user's frames. */
function detailLines(step: Step, full: boolean): string[] {
  const inside = `${indent(step)}  `;
  const output = plain(outputOf(step)).trimEnd();
  const printed = [
    ...step.commands.map((command) => `${inside}${colour.dim(commandInWords(command))}`),
    ...(output ? output.split("\n").map((line) => `${inside}${colour.dim(`| ${line}`)}`) : []),
  ];
  const failedHere = step.status === "failed" && !step.children.some(({ status }) => status === "failed");
  if (!failedHere) return full ? printed : [];
  const message = step.failure ? failureInWords(step.failure) : "failed";
  return [
    ...printed,
    ...fitted(message, inside).map((line) => colour.red(line)),
    `${inside}${colour.dim(`${step.property}, said at ${step.site}`)}`,
    ...userFrames(step.failure?.stack).map((frame) => `${inside}${colour.dim(frame)}`),
  ];
}

/** What a step printed; of a command that failed and was not shown live, what that printed. */
export function outputOf({ output, failure }: Step): string {
  if (output.trim() || !failure?.command) return output;
  return [failure.command.stdout, failure.command.stderr]
    .filter((text) => text.trim())
    .map((text) => text.trimEnd())
    .join("\n");
}

/** Why the whole deployment of a host could not go on. */
function troubleLines({ failure, ...tree }: HostTree, said: string): string[] {
  if (failure && failure.message === said) return [colour.red("  the consfig does not load, as said above")];
  if (!failure || failures({ failure, ...tree }).some((step) => step.failure?.message === failure.message))
    return [];
  return fitted(failureInWords(failure), "  ").map((line) => colour.red(line));
}
