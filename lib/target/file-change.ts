import { createHash, createHmac } from "node:crypto";
import type { ContentChange, FileChange } from "../model/changes";
import type { FileStat } from "../model/target";

/** A file over this size, in bytes, is reported without a diff. */
export const MOST_DIFFED = 1 << 20;
/** Of a diff, in characters. */
const MOST_SHOWN = 256 * 1024;
/** Added and removed lines together: over that, what differs is one block. */
const MOST_EDITS = 400;
/** Unchanged lines around each change. */
const CONTEXT_LINES = 3;

/** A file before or after a change. `bytes` is undefined when they are not known. */
export interface FileImage {
  readonly size: number;
  readonly bytes: Buffer | undefined;
  /** In hexadecimal digits, when it is known without the bytes. */
  readonly sha256?: string;
  readonly mode: number;
  /** True: its content is never shown, whoever may read it. */
  readonly secret?: boolean | undefined;
}

/** The change from `before` to `after`; undefined where there is no file. Only what differs is in it. */
export async function fileChange(
  path: string,
  before: FileImage | undefined,
  after: FileImage | undefined,
  digestKey?: string,
): Promise<FileChange> {
  const change = before ? (after ? "modified" : "removed") : "created";
  const same = before?.bytes !== undefined && after?.bytes !== undefined && before.bytes.equals(after.bytes);
  return {
    kind: "file",
    change,
    path,
    type: "file",
    ...(!same && { content: await contentChange(before, after) }),
    ...(before?.mode !== after?.mode && { mode: fromTo(before?.mode, after?.mode) }),
    ...(digestKey !== undefined && { digest: contentDigest(digestKey, before, after) }),
  };
}

function contentDigest(key: string, before: FileImage | undefined, after: FileImage | undefined): string {
  const hmac = createHmac("sha256", Buffer.from(key, "hex"));
  for (const image of [before, after])
    hmac
      .update(image ? `${image.bytes?.length ?? image.size}\n` : "none\n")
      .update(image?.bytes ?? image?.sha256 ?? "");
  return hmac.digest("hex").slice(0, 32);
}

/** Whether everyone on the host may read such a file: its content may be shown. */
const isPublic = (image: FileImage | undefined): boolean =>
  !image || (!image.secret && (image.mode & 0o004) !== 0);

async function contentChange(
  before: FileImage | undefined,
  after: FileImage | undefined,
): Promise<ContentChange> {
  const size = fromTo(before?.size, after?.size);
  if (!isPublic(before) || !isPublic(after)) return { form: "secret", size };
  const images = [before, after].filter((image) => image !== undefined);
  const sha256 = fromTo(digest(before), digest(after));
  if (images.some(({ bytes }) => bytes === undefined || bytes.length > MOST_DIFFED))
    return { form: "large", size, sha256 };
  if (images.some(({ bytes }) => bytes?.includes(0))) return { form: "binary", size, sha256 };
  return diff(textOf(before), textOf(after));
}

const textOf = (image: FileImage | undefined): string => image?.bytes?.toString("utf8") ?? "";

const digest = (image: FileImage | undefined): string | undefined =>
  image?.bytes && createHash("sha256").update(image.bytes).digest("hex").slice(0, 16);

async function diff(before: string, after: string): Promise<ContentChange> {
  const { structuredPatch } = await import("diff");
  const options = { context: CONTEXT_LINES, maxEditLength: MOST_EDITS };
  const patch = structuredPatch("", "", before, after, undefined, undefined, options);
  const lines = patch
    ? patch.hunks.flatMap((hunk) => [
        `@@ -${rangeOf(hunk.oldStart, hunk.oldLines)} +${rangeOf(hunk.newStart, hunk.newLines)} @@`,
        ...hunk.lines,
      ])
    : oneBlock(before, after);
  const added = lines.filter((line) => line.startsWith("+")).length;
  const removed = lines.filter((line) => line.startsWith("-")).length;
  const whole = lines.map((line) => `${line}\n`).join("");
  if (whole.length <= MOST_SHOWN) return { form: "diff", diff: whole, added, removed };
  const shown = whole.slice(0, whole.lastIndexOf("\n", MOST_SHOWN) + 1);
  return { form: "diff", diff: shown, added, removed, cut: true };
}

/** As diff(1) writes it: a number of lines of 1 is left out, and an empty range stands after its line. */
const rangeOf = (start: number, count: number): string =>
  count === 1 ? `${start}` : `${count === 0 ? start - 1 : start},${count}`;

/** A diff that removes and adds everything between the first and the last line that differ. */
function oneBlock(before: string, after: string): string[] {
  const [old, wanted] = [before, after].map(terminatedLines) as [string[], string[]];
  const shortest = Math.min(old.length, wanted.length);
  let start = 0;
  while (start < shortest && old[start] === wanted[start]) start += 1;
  let end = 0;
  while (end < shortest - start && old.at(-1 - end) === wanted.at(-1 - end)) end += 1;
  const removed = old.slice(start, old.length - end);
  const added = wanted.slice(start, wanted.length - end);
  return [
    `@@ -${rangeOf(start + 1, removed.length)} +${rangeOf(start + 1, added.length)} @@`,
    ...removed.flatMap((line) => marked("-", line)),
    ...added.flatMap((line) => marked("+", line)),
  ];
}

/** The lines of `text`, each with its newline. */
const terminatedLines = (text: string): string[] => (text === "" ? [] : text.split(/(?<=\n)/));

/** A line of a diff; one without a newline is followed by a line that says so. */
const marked = (sign: string, line: string): string[] =>
  line.endsWith("\n") ? [sign + line.slice(0, -1)] : [sign + line, "\\ No newline at end of file"];

/** `from` and `to` without a side that is undefined. */
export const fromTo = <T>(from: T | undefined, to: T | undefined): { from?: T; to?: T } => ({
  ...(from !== undefined && { from }),
  ...(to !== undefined && { to }),
});

/** What a change of something that is no regular file, or of its attributes, says. */
export const entryChange = (
  path: string,
  change: FileChange["change"],
  type: FileStat["type"],
  more: Pick<FileChange, "mode" | "owner" | "link" | "renamed"> = {},
): FileChange => ({ kind: "file", change, path, type, ...more });
