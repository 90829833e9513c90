/** Changes of a host as text: the same in a plan, a deployment and a report. */
import type { ContentChange, FileChange, FromTo, HostChange } from "../../lib/model/changes";
import { visibleText } from "../../lib/util/clean-text";
import { colour } from "../_colour";
import { columns, cut } from "../_layout";

/** Lines of one diff that are shown, unless everything is asked for. */
const MOST_LINES = 24;

/** The lines of `changes`, each beginning with `indent`. `full`: diffs are not folded. `rest`: where all of a folded one is. */
export function changeLines(
  changes: readonly HostChange[],
  indent: string,
  full = false,
  rest = "; .report shows them all",
): string[] {
  const width = Math.max(20, columns() - indent.length);
  return worthShowing(changes).flatMap((change) =>
    linesOf(change, full, rest).map((line) => indent + paintedLine(cut(line, width))),
  );
}

/** A command is worth a line only when nothing else tells what it changes. */
function worthShowing(changes: readonly HostChange[]): readonly HostChange[] {
  const others = changes.filter(({ kind }) => kind !== "command");
  return others.length > 0 ? others : changes;
}

function linesOf(change: HostChange, full: boolean, rest: string): string[] {
  switch (change.kind) {
    case "file":
      return fileLines(change, full, rest);
    case "package": {
      const { from, to } = change.version;
      const what =
        from === undefined ? `install ${to}` : to === undefined ? `remove ${from}` : `${from} → ${to}`;
      return [`package ${change.name}: ${what}`];
    }
    case "account":
    case "group":
      return [`${change.kind} ${change.name}: ${change.detail ?? change.change}`];
    case "unit":
      return [`unit ${change.unit}: ${change.change}`];
    case "mount":
      return [`${change.path}: ${change.change}`];
    case "command":
      return [`run ${change.command.replaceAll("\n", " ")}`];
  }
}

function fileLines(change: FileChange, full: boolean, rest: string): string[] {
  const { content, mode, owner, link, renamed, type } = change;
  const what = [
    change.change === "modified" ? "" : `${change.change}${type === "file" ? "" : `, ${type}`}`,
    renamed === undefined ? "" : `renamed to ${renamed}`,
    difference("mode", mode, (bits) => `0${bits.toString(8).padStart(3, "0")}`),
    difference("owner", owner, String),
    difference("link to", link, String),
    content ? contentWords(content) : "",
  ].filter(Boolean);
  const head = `${change.path}: ${what.join(", ") || change.change}`;
  return content?.form === "diff" ? [head, ...diffLines(content, full, rest)] : [head];
}

function difference<T>(word: string, change: FromTo<T> | undefined, shown: (value: T) => string): string {
  if (!change) return "";
  const { from, to } = change;
  if (from === undefined) return to === undefined ? "" : `${word} ${shown(to)}`;
  return to === undefined ? "" : `${word} ${shown(from)} → ${shown(to)}`;
}

function contentWords(content: ContentChange): string {
  if (content.form === "diff") {
    const { added, removed } = content;
    return (
      [added > 0 ? `+${added}` : "", removed > 0 ? `-${removed}` : ""].filter(Boolean).join(" ") || "no line"
    );
  }
  const { from, to } = content.size;
  const sizes = [from, to].filter((size) => size !== undefined).map((size) => `${size} bytes`);
  const digests = [content.sha256?.from, content.sha256?.to].filter((each) => each !== undefined);
  const why = { secret: "content not shown", binary: "binary", large: "too large for a diff" }[content.form];
  return `${sizes.join(" → ")} (${[why, ...(digests.length > 0 ? [`sha256 ${digests.join(" → ")}`] : [])].join(", ")})`;
}

/** The beginning and the end of a long diff: what is left out in the middle is counted. */
function diffLines(
  { diff, cut: isCut }: ContentChange & { form: "diff" },
  full: boolean,
  elsewhere: string,
): string[] {
  if (diff === "") return [];
  const lines = visibleText(diff.replace(/\n$/, "")).split("\n");
  const rest = isCut ? ["… the rest of this diff is left out: it is too long to be kept"] : [];
  if (full || lines.length <= MOST_LINES) return [...lines, ...rest];
  const half = MOST_LINES / 2;
  const left = lines.length - 2 * half;
  return [...lines.slice(0, half), `… ${left} more lines${elsewhere}`, ...lines.slice(-half), ...rest];
}

function paintedLine(line: string): string {
  if (line.startsWith("@@")) return colour.cyan(line);
  if (line.startsWith("+")) return colour.green(line);
  if (line.startsWith("-")) return colour.red(line);
  return line.startsWith(" ") || line.startsWith("…") ? colour.dim(line) : line;
}
