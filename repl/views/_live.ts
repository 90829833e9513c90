import { colour } from "../_colour";
import { painted, sign, stepLine } from "./_text";
import { type HostTree, inOrder, leaves, type Step } from "./_tree";
import { duration } from "./_units";
import { commandInWords, countsInWords, lastLine, outcome } from "./_words";

export interface LiveOptions {
  readonly columns: number;
  readonly rows: number;
  /** Counts up with each drawing. */
  readonly frame: number;
  readonly now: number;
}

export interface Line {
  readonly key: string;
  readonly text: string;
}

/**
 * What a terminal shows of deployments under way: the tree of steps of each host, or one line a host when those would
 * not fit. Never higher than the terminal, so that drawing it again does not scroll.
 */
export function liveLines(hosts: readonly HostTree[], options: LiveOptions): Line[] {
  const room = Math.max(3, options.rows - 2);
  const roomForEach = Math.floor(room / Math.max(1, hosts.length));
  return roomForEach >= TREE_HEIGHT
    ? hosts.flatMap((host) => treeLines(host, { ...options, room: roomForEach }))
    : briefLines(hosts, { ...options, room });
}

/** With less room than this for a host, its tree tells less than one line does. */
const TREE_HEIGHT = 5;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

interface Room extends LiveOptions {
  readonly room: number;
}

function treeLines(tree: HostTree, options: Room): Line[] {
  const lines = inOrder(tree.roots)
    .filter(({ status }) => status !== "unchanged")
    .flatMap((step) =>
      step.status === "running"
        ? runningLines(step, options)
        : [{ key: `${tree.host} ${step.step}`, text: stepLine(step) }],
    )
    .map((line) => ({ ...line, key: `${tree.host} ${line.key}` }));
  return [...lines.slice(-(options.room - 1)), { key: tree.host, text: headLine(tree, options) }];
}

function runningLines(step: Step, { frame, now }: LiveOptions): Line[] {
  const indent = "  ".repeat(step.depth + 1);
  const spinner = colour.cyan(SPINNER[frame % SPINNER.length] ?? "▸");
  const time = colour.dim(duration(Math.max(0, now - step.began)));
  const ran = step.commands.at(-1);
  const said = lastLine(step.says ?? step.output);
  return [
    { key: `${step.step}`, text: `${indent}${spinner} ${step.desc} ${time}` },
    ...(said && step.children.length === 0
      ? [{ key: `${step.step} said`, text: colour.dim(`${indent}  | ${said}`) }]
      : []),
    ...(ran ? [{ key: `${step.step} ran`, text: colour.dim(`${indent}  ${commandInWords(ran)}`) }] : []),
  ];
}

function headLine(tree: HostTree, { frame, now }: LiveOptions): string {
  if (tree.status !== "running") return `${sign(tree.status)} ${colour.bold(tree.host)}: ${outcome(tree)}`;
  const spinner = colour.cyan(SPINNER[frame % SPINNER.length] ?? "▸");
  const said = [tree.progress || countsInWords(tree), duration(Math.max(0, now - tree.began))]
    .filter(Boolean)
    .join(", ");
  return `${spinner} ${colour.bold(tree.host)}: ${said}`;
}

/** Hosts at work first; those that do not fit are counted. */
function briefLines(hosts: readonly HostTree[], options: Room): Line[] {
  const working = hosts.filter(({ status }) => status === "running");
  const failed = hosts.filter(({ status }) => status === "failed" || status === "refused");
  const shown = [
    ...failed,
    ...working,
    ...hosts.filter((host) => !failed.includes(host) && !working.includes(host)),
  ];
  const fitting = shown.slice(0, shown.length > options.room ? options.room - 1 : options.room);
  const left = shown.length - fitting.length;
  const width = Math.min(30, Math.max(...fitting.map(({ host }) => host.length)));
  return [
    ...fitting.map((tree) => ({ key: tree.host, text: briefLine(tree, width, options) })),
    ...(left > 0
      ? [
          {
            key: "more",
            text: colour.dim(`  and ${left} more, ${hosts.length - working.length} of ${hosts.length} over`),
          },
        ]
      : []),
  ];
}

function briefLine(tree: HostTree, width: number, { frame, now }: LiveOptions): string {
  const name = colour.bold(tree.host.padEnd(width));
  if (tree.status !== "running") return `${sign(tree.status)} ${name} ${painted(tree.status, outcome(tree))}`;
  const spinner = colour.cyan(SPINNER[frame % SPINNER.length] ?? "▸");
  const over = leaves(tree).filter(({ status }) => status !== "running").length;
  const running = tree.current ?? [...tree.steps.values()].findLast(({ status }) => status === "running");
  const said = running && lastLine(running.says ?? running.output);
  const parts = [
    tree.announced > 0 ? `${over}/${Math.max(over, tree.announced)}` : "",
    duration(Math.max(0, now - tree.began)),
    tree.progress || running?.desc || "",
    said ? colour.dim(`| ${said}`) : "",
  ];
  return `${spinner} ${name} ${parts.filter(Boolean).join("  ")}`;
}
