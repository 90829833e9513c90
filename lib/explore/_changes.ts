import type { FromTo, HostChange } from "../model/changes";
import type { StepReport } from "../model/report";

/** What `change` of `step` changes: an absolute path, or a name. */
export function placeOf({ plan }: Pick<StepReport, "plan">, change: HostChange): string {
  if (change.kind === "command") return change.command;
  if (change.kind === "unit") return change.unit;
  if (!("path" in change)) return change.name;
  const { path } = change;
  // It is relative to the home directory of whoever does it.
  const absolute = path.startsWith("/") ? path : plan?.paths?.find((each) => each.endsWith(`/${path}`));
  return absolute ?? path;
}

/** What `change` does, in a few words. */
export function differenceText(change: HostChange): string {
  switch (change.kind) {
    case "file": {
      const { content, mode, owner, link, renamed } = change;
      const parts = [
        change.change === "modified" ? "" : `to be ${change.change}`,
        contentText(content),
        mode && `mode ${arrow(mode, (bits) => bits.toString(8).padStart(4, "0"))}`,
        owner && `owner ${arrow(owner, String)}`,
        link && `link ${arrow(link, String)}`,
        renamed === undefined ? "" : `to be renamed to ${renamed}`,
      ];
      return change.change === "modified" ? parts.filter(Boolean).join(", ") : (parts[0] as string);
    }
    case "package":
      return `version ${arrow(change.version, String)}`;
    case "account":
    case "group":
      return change.detail ?? `${change.kind} to be ${change.change}`;
    case "unit":
      return `to be ${change.change}`;
    case "mount":
      return `to be ${change.change}`;
    case "command":
      return `run ${change.command}`;
  }
}

const arrow = <T>({ from, to }: FromTo<T>, text: (value: T) => string): string =>
  `${from === undefined ? "none" : text(from)} → ${to === undefined ? "none" : text(to)}`;

type FileContent = (HostChange & { kind: "file" })["content"];

const contentText = (content: FileContent): string => {
  if (!content) return "";
  if (content.form === "diff") return `content +${content.added} −${content.removed} lines`;
  return `content ${arrow(content.size, (size) => `${size} bytes`)}`;
};
