import { colour } from "../_colour";
import { painted, sign, stepLine } from "./_text";
import { type HostTree, inOrder, leaves, type Step } from "./_tree";
import { duration } from "./_units";
import { formatCommand, formatCounts, lastLine, outcome } from "./_words";

export interface LiveOptions {
  readonly columns: number;
  readonly rows: number;
  /** Increases with each drawing. */
  readonly frame: number;
  readonly now: number;
}

export interface Line {
  readonly key: string;
  readonly text: string;
}

/**
 * The drawing of running deployments: each host's tree of steps, or one line per host if the trees would not fit. Never
 * higher than the terminal, so that redrawing does not scroll.
 */
export function liveLines(hosts: readonly HostTree[], options: LiveOptions): Line[] {
  const room = Math.max(3, options.rows - 2);
  const roomForEach = Math.floor(room / Math.max(1, hosts.length));
  return roomForEach >= TREE_HEIGHT
    ? hosts.flatMap((host) => treeLines(host, { ...options, room: roomForEach }))
    : briefLines(hosts, { ...options, room });
}

/** How many rows more than lines the terminal makes of lines of these widths. */
export const wrappedRows = (widths: readonly number[], columns = 80): number =>
  widths.reduce((rows, width) => rows + Math.max(0, Math.ceil(width / columns) - 1), 0);

/** With fewer lines than this per host, one line says more than a tree. */
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
        : [{ key: `${step.step}`, text: stepLine(step, tree) }],
    )
    .map((line) => ({ ...line, key: `${tree.key} ${line.key}` }));
  return [...lines.slice(-(options.room - 1)), { key: tree.key, text: headLine(tree, options) }];
}

function runningLines(step: Step, { frame, now }: LiveOptions): Line[] {
  const indent = "  ".repeat(step.depth + 1);
  const spinner = colour.cyan(SPINNER[frame % SPINNER.length] ?? "▸");
  const time = colour.dim(duration(Math.max(0, now - step.began)));
  const ran = step.commands.at(-1);
  const printed = lastLine(step.preview ?? step.output);
  return [
    { key: `${step.step}`, text: `${indent}${spinner} ${step.desc} ${time}` },
    ...(printed && step.children.length === 0
      ? [{ key: `${step.step} printed`, text: colour.dim(`${indent}  | ${printed}`) }]
      : []),
    ...(ran ? [{ key: `${step.step} ran`, text: colour.dim(`${indent}  ${formatCommand(ran)}`) }] : []),
  ];
}

function headLine(tree: HostTree, { frame, now }: LiveOptions): string {
  if (tree.status !== "running") return `${sign(tree.status)} ${colour.bold(tree.host)}: ${outcome(tree)}`;
  const spinner = colour.cyan(SPINNER[frame % SPINNER.length] ?? "▸");
  const details = [tree.progress || formatCounts(tree), duration(Math.max(0, now - tree.began))]
    .filter(Boolean)
    .join(", ");
  return `${spinner} ${colour.bold(tree.host)}: ${details}`;
}

/** Failed hosts first, then running ones; hosts that do not fit are counted. */
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
    ...fitting.map((tree) => ({ key: tree.key, text: briefLine(tree, width, options) })),
    ...(left > 0
      ? [
          {
            key: "more",
            text: colour.dim(
              `  and ${left} more; ${hosts.length - working.length} of ${hosts.length} finished`,
            ),
          },
        ]
      : []),
  ];
}

function briefLine(tree: HostTree, width: number, { frame, now }: LiveOptions): string {
  const name = colour.bold(tree.host.padEnd(width));
  if (tree.status !== "running") return `${sign(tree.status)} ${name} ${painted(tree.status, outcome(tree))}`;
  const spinner = colour.cyan(SPINNER[frame % SPINNER.length] ?? "▸");
  const finished = leaves(tree).filter(({ status }) => status !== "running").length;
  const running = tree.current ?? [...tree.steps.values()].findLast(({ status }) => status === "running");
  const printed = running && lastLine(running.preview ?? running.output);
  const parts = [
    tree.announced > 0 ? `${finished}/${Math.max(finished, tree.announced)}` : "",
    duration(Math.max(0, now - tree.began)),
    tree.progress || running?.desc || "",
    printed ? colour.dim(`| ${printed}`) : "",
  ];
  return `${spinner} ${name} ${parts.filter(Boolean).join("  ")}`;
}
