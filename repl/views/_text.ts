import { stripVTControlCharacters } from "node:util";
import type { CommandReport } from "../../lib/model/report";
import { colour } from "../_colour";
import { userFrames } from "../_frames";
import { beside, columns, fitted } from "../_layout";
import { changeLines } from "./_changes";
import { planNote } from "./_plan";
import { rehearsalLines } from "./_rehearsal";
import { failedItself, failures, type HostTree, inOrder, type Step } from "./_tree";
import { duration } from "./_units";
import { advice, formatCommand, formatFailure, outcome } from "./_words";

/** The sign and colour of each status of a step or host. */
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

/** With more steps than this, unchanged ones are counted instead of listed. */
const MAX_STEPS_LISTED = 12;
/** With more hosts than this, only failed steps and one line per host are shown. */
const MAX_HOSTS_IN_FULL = 3;

/**
 * The text that stays on the screen after a deployment. `attended`: the user is asked what to do about a failure, so no
 * advice is given. `loadError`: the load error of the consfig, if it is printed just above.
 */
export function finalText(
  trees: readonly HostTree[],
  { full = false, attended = false, loadError = "" } = {},
): string {
  if (trees.length > 1 && trees.every(({ plan }) => plan)) return plansText(trees, full);
  const brief = trees.length > MAX_HOSTS_IN_FULL;
  const bodyOf = (tree: HostTree) => [
    ...(full || tree.verbose
      ? stepLines(tree, true)
      : brief
        ? failures(tree).flatMap((step) => shownStep(step, tree, false))
        : stepLines(tree, false)),
    ...failureLines(tree, loadError),
    ...(tree.rehearsal && (full || !brief) ? rehearsalLines(tree.rehearsal, "  ", full) : []),
  ];
  const lines = grouped(trees, bodyOf, ({ status }) => status === "failed" || status === "refused");
  const isAsked = attended && trees.some(({ status }) => status === "failed");
  const next = isAsked ? undefined : advice(trees);
  if (trees.length > 1) lines.push(fleetLine(trees));
  if (next) lines.push(...fitted(next, "  ").map((line) => colour.dim(line)));
  return lines.join("\n");
}

/** Plans of several hosts: what is the same for some of them is printed once. */
function plansText(trees: readonly HostTree[], full: boolean): string {
  const bodyOf = (tree: HostTree) => [...stepLines(tree, full), ...failureLines(tree, "")];
  return [...grouped(trees, bodyOf, () => true), fleetLine(trees)].join("\n");
}

/** The lines of each host; those that are the same for several hosts which `mayGroup` are printed once. */
function grouped(
  trees: readonly HostTree[],
  bodyOf: (tree: HostTree) => string[],
  mayGroup: (tree: HostTree) => boolean,
): string[] {
  const groups = Map.groupBy(trees, (tree) =>
    mayGroup(tree) ? `${tree.status} ${withoutHost(bodyOf(tree).join("\n"), tree)}` : tree,
  );
  return [...groups.values()].flatMap((same) => {
    const [first] = same as [HostTree];
    const names = same.map(({ host }) => colour.bold(host)).join(", ");
    return [
      ...bodyOf(first),
      ...(same.length === 1
        ? [hostLine(first)]
        : [
            ...fitted(`${sign(first.status)} ${same.length} hosts the same: ${outcome(first)}`),
            ...fitted(names, "  "),
          ]),
    ];
  });
}

/** `text` about a host without what differs between hosts and means nothing: times, the host's name and address. */
export function withoutHost(text: string, { host, hops }: Pick<HostTree, "host" | "hops">): string {
  const addresses = hops.flatMap((hop) => [...hop.matchAll(/hop: '([^']+)'/g)].map(([, each = ""]) => each));
  const names = [host, ...addresses].map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return text
    .replace(new RegExp(`(?<![\\w-])(${names.join("|")})(?![\\w-])`, "g"), "HOST")
    .replace(/ \d+(\.\d)? (ms|s|min)\b/g, "");
}

const hostLine = (tree: HostTree): string =>
  `${sign(tree.status)} ${colour.bold(tree.host)}: ${outcome(tree)}`;

function fleetLine(trees: readonly HostTree[]): string {
  const by = (wanted: HostTree["status"][]) => trees.filter(({ status }) => wanted.includes(status)).length;
  const isPlan = trees.every(({ plan }) => plan);
  const parts = [
    [by(["changed"]), isPlan ? "would change" : "changed"],
    [by(["unchanged"]), isPlan ? "would stay as they are" : "unchanged"],
    [by(["failed", "refused"]), isPlan ? "would fail" : "failed"],
    [by(["cancelled", "detached"]), "stopped"],
  ] as const;
  const shown = parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return `${trees.length} hosts: ${shown.join(", ")} in ${duration(Math.max(...trees.map(({ ms }) => ms)))}`;
}

function stepLines(tree: HostTree, full: boolean): string[] {
  const all = inOrder(tree.roots);
  const hidden = !full && all.length > MAX_STEPS_LISTED;
  const isShown = (step: Step) => !hidden || step.status !== "unchanged" || isUncertain(step);
  const shown = all.filter(isShown);
  const lines = shown.flatMap((step) => shownStep(step, tree, full));
  const unchanged = all.filter((step) => !isShown(step) && step.children.length === 0).length;
  if (hidden && unchanged > 0)
    lines.push(
      colour.dim(
        `  = ${unchanged} ${unchanged === 1 ? "step" : "steps"} ${tree.plan ? (unchanged === 1 ? "holds" : "hold") : "unchanged"}`,
      ),
    );
  return [
    ...(tree.verbose ? tree.connectionLog : [])
      .flatMap((line) => fitted(line, "  "))
      .map((line) => colour.dim(line)),
    ...tree.commands.flatMap((command) => commandLines(command, "  ")),
    ...tree.notices.flatMap((notice) => fitted(notice, "  ").map((line) => colour.dim(line))),
    ...lines,
  ];
}

const shownStep = (step: Step, tree: HostTree, full: boolean): string[] => [
  ...stepAndNote(step, tree),
  ...detailLines(step, full),
  ...(tree.diff || full ? changeLines(changesOf(step), `${indent(step)}  `, full) : []),
];

/** What a step changed, without commands that are shown above it. */
const changesOf = ({ changes, commands }: Step): Step["changes"] =>
  commands.length > 0 ? changes.filter(({ kind }) => kind !== "command") : changes;

/** The line of a step; a note that does not fit into it follows on lines of its own. */
function stepAndNote(step: Step, tree: HostTree): string[] {
  const note = planNote(step, tree);
  const isShort = indent(step).length + step.desc.length + note.length + 10 < columns();
  if (!step.plan || note === "" || isShort) return wholeStep(step, tree);
  const bare = { ...step, plan: { ...step.plan, answer: "holds" as const, open: false }, reason: undefined };
  const line = stepLine(bare, tree).replace(sign(step.status), stepSign(step));
  return [line, ...fitted(note, `${indent(step)}  `).map((each) => colour.dim(each))];
}

/** The line of a step, continued below its description when it is long. */
function wholeStep(step: Step, tree: HostTree): string[] {
  const line = stepLine(step, tree);
  const plain = stripVTControlCharacters(line);
  if (plain.length < columns()) return [line];
  const start = indent(step).length + 2;
  return beside(`${indent(step)}${stepSign(step)} `, start, plain.slice(start)).split("\n");
}

export function stepLine(step: Step, tree: HostTree): string {
  const time = step.ms >= SLOW ? colour.dim(` ${duration(step.ms)}`) : "";
  const note = planNote(step, tree);
  const reason = note ? colour.dim(` (${note})`) : "";
  const desc = step.status === "unchanged" ? colour.dim(step.desc) : step.desc;
  return `${indent(step)}${stepSign(step)} ${desc}${reason}${time}`;
}

/** In a plan, what is not certain has the sign of what is not finished. */
const stepSign = ({ status, plan }: Step): string =>
  sign(plan?.answer === "depends" || plan?.answer === "unknown" ? "unfinished" : status);

const isUncertain = ({ plan }: Step): boolean => plan?.answer === "depends" || plan?.answer === "unknown";

/** Shorter durations are not shown. */
const SLOW = 100;

const indent = ({ depth }: Step): string => "  ".repeat(depth + 1);

/**
 * The commands of a step, if they were traced. For a failed step: all output, the failure, its site, and the user's
 * frames.
 */
function detailLines(step: Step, full: boolean): string[] {
  const inside = `${indent(step)}  `;
  const output = outputOf(step).trimEnd();
  const printed = [
    ...step.commands.flatMap((command) => commandLines(command, inside)),
    ...(output ? fitted(output, `${inside}| `).map((line) => colour.dim(line)) : []),
  ];
  if (!failedItself(step)) return full ? printed : [];
  const message = step.failure ? formatFailure(step.failure) : "failed";
  return [
    ...printed,
    ...fitted(message, inside).map((line) => colour.red(line)),
    `${inside}${colour.dim(`${step.property}, at ${step.site}`)}`,
    ...userFrames(step.failure?.stack).map((frame) => `${inside}${colour.dim(frame)}`),
  ];
}

const commandLines = (command: CommandReport, before: string): string[] =>
  beside(before, before.length + 2, formatCommand(command))
    .split("\n")
    .map((line) => colour.dim(line));

/** The output of a step, or else the output of its failed command. */
export function outputOf({ output, failure }: Step): string {
  if (output.trim() || !failure?.command) return output;
  return [failure.command.stdout, failure.command.stderr]
    .filter((text) => text.trim())
    .map((text) => text.trimEnd())
    .join("\n");
}

/** The failure that ended the deployment of a host, unless a step shows it. */
function failureLines({ failure, ...tree }: HostTree, loadError: string): string[] {
  if (failure && failure.message === loadError)
    return [colour.red("  the consfig failed to load (see above)")];
  if (!failure || failures({ failure, ...tree }).some((step) => step.failure?.message === failure.message))
    return [];
  return fitted(formatFailure(failure), "  ").map((line) => colour.red(line));
}
