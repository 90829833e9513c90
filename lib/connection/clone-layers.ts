import type { FileChange } from "../model/changes";
import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { resultOf } from "./command-result";

/** What is at a path: a link there is not followed. */
export interface Entry {
  readonly type: FileChange["type"];
  readonly mode: number;
  /** As `UID:GID`. */
  readonly owner: string;
  readonly size: number;
  /** The text of a symbolic link. */
  readonly link?: string;
  /** Of the content of a file, in hexadecimal digits. */
  readonly sha256?: string;
  /** Differs after each write, whatever was written. */
  readonly stamp: string;
}

/** A path that is not the same in a clone. An absent side: nothing is there. */
export interface LayerChange {
  readonly path: string;
  readonly before?: Entry;
  readonly after?: Entry;
}

/** What differs in the clone that is seen through `outside`, by path, without files of Consfigurator's own. */
export async function layerChanges(outside: Connection): Promise<LayerChange[]> {
  const { before, after } = parsed(await printed(outside, CHANGES));
  const changes = [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    return stateOf(old) === stateOf(now)
      ? []
      : [{ path, ...(old && { before: old }), ...(now && { after: now }) }];
  });
  const others = changes.filter((change) => change.before || !AROUND_OWN.test(change.path));
  return changes.filter(
    (change) => others.includes(change) || others.some(({ path }) => path.startsWith(`${change.path}/`)),
  );
}

/** Directories that are made for Consfigurator's own state. */
const AROUND_OWN = /\/\.(cache|local|local\/state)$/;

/** What is at `paths` of the machine of `connection`. */
export async function entriesAt(
  connection: Connection,
  paths: readonly string[],
): Promise<ReadonlyMap<string, Entry>> {
  return parsed(await printed(connection, `cd /; side=after; ${ENTRIES}`, paths)).after;
}

/** An entry in words, the same for what is the same to its users. */
export function stateOf(entry: Entry | undefined): string {
  if (!entry) return "absent";
  const { type, mode, owner, link, sha256 } = entry;
  return [type, link === undefined && `0${mode.toString(8)}`, owner, link ?? sha256]
    .filter(Boolean)
    .join(" ");
}

/** The content of `files`, of the machine or of its clone, seen through `outside`; without those that cannot be read. */
export async function contentsOf(
  outside: Connection,
  where: "before" | "after",
  files: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const each = `xargs -0 -r sh -c 'for f do base64 -w0 <"$f" 2>/dev/null; echo; done' sh`;
  const output = await printed(outside, `cd ${where === "before" ? "/" : '"$0/root"'} && ${each}`, files);
  const lines = output.split("\n");
  return new Map(files.map((file, index) => [file, Buffer.from(lines[index] ?? "", "base64")]));
}

/** Bytes of memory that files take in the clone that is seen through `outside`. */
export async function layersSize(outside: Connection): Promise<number> {
  const [unit = 0, all = 0, free = 0] = (await printed(outside, `stat -f -c "%S %b %f" "$0"`))
    .split(" ")
    .map(Number);
  return unit * (all - free);
}

/** Shell text that prints what is at the paths in its input, as the side $side: find(1) and checksums. */
const ENTRIES = `LC_ALL=C; export LC_ALL; t=$(mktemp) || exit; cat >"$t"
xargs -0 -r sh -c 'exec find "$@" -maxdepth 0 -printf "$0 %y %m %U:%G %s %i %T@ %C@\\0%l\\0%p\\0"' $side <"$t" 2>/dev/null
xargs -0 -r sh -c 'exec find "$@" -maxdepth 0 -type f -print0' find <"$t" 2>/dev/null | xargs -0 -r sha256sum -z -- | sed -z "s/^/sum $side /"
rm -f "$t";`;

/** Names of Consfigurator's own state, which no definition asks for. */
const OWN = "\\( -path '*/.cache/consfigurator' -o -path '*/.local/state/consfigurator' \\) -prune";

/**
 * Shell text that prints what is at each path of the upper layers, and at those that are hidden by them, on both sides. A
 * directory that was made anew hides what was in it without a trace for each.
 */
const CHANGES = `LC_ALL=C; export LC_ALL; umask 077
d=$0 r=$0/root; export r; l=$d/listing.$$; mkdir "$l" || exit; trap 'rm -rf "$l"' EXIT; TMPDIR=$l; export TMPDIR
for u in "$d"/upper "$d"/upper.*[0-9]; do
  [ -d "$u" ] || continue
  of=$(sed 's/[%\\\\]/&&/g' "$u.of" 2>/dev/null)
  (cd "$u" && find . -mindepth 1 ${OWN} -o -printf ".$of/%P\\0")
done >"$l/paths"
cd /
xargs -0 -r sh -c 'for p do [ ! -L "$p" ] && [ -d "$p" ] && [ ! -L "$r/$p" ] && [ -d "$r/$p" ] && printf "%s\\0" "$p"; done' sh <"$l/paths" >"$l/both"
names() { xargs -0 -r sh -c 'exec find "$@" -mindepth 1 -maxdepth 1 -print0' find <"$l/both" | sort -z; }
names >"$l/before"; cd "$r"; names >"$l/after"
comm -z -23 "$l/before" "$l/after" >>"$l/paths"
sort -zu -o "$l/paths" "$l/paths"
side=after; { ${ENTRIES} } <"$l/paths"
cd /; side=before; { ${ENTRIES} } <"$l/paths"`;

const TYPES: Readonly<Record<string, Entry["type"]>> = { f: "file", d: "directory", l: "symlink" };

/** What the scripts above print. */
function parsed(output: string): Record<"before" | "after", Map<string, Entry>> {
  const sides = { before: new Map<string, Entry>(), after: new Map<string, Entry>() };
  const words = output.split("\0");
  for (let at = 0; at + 1 < words.length; ) {
    const sum = /^sum (before|after) ([0-9a-f]{64}) {2}\.(.*)$/s.exec(words[at] ?? "");
    if (sum) {
      const [, side, sha256 = "", path = ""] = sum;
      const entries = sides[side as keyof typeof sides];
      const entry = entries.get(path);
      if (entry) entries.set(path, { ...entry, sha256 });
      at += 1;
      continue;
    }
    const [side = "", type = "", mode = "", owner = "", size = "", ...stamp] = (words[at] ?? "").split(" ");
    const [link = "", path = ""] = words.slice(at + 1, at + 3);
    sides[side as keyof typeof sides]?.set(path.slice(1), {
      type: TYPES[type] ?? "other",
      mode: Number.parseInt(mode, 8),
      owner,
      size: Number(size),
      ...(type === "l" && { link }),
      stamp: stamp.join(" "),
    });
    at += 3;
  }
  return sides;
}

/** The output of `command`, whose input are `paths`, from its directory. */
async function printed(
  connection: Connection,
  command: string,
  paths: readonly string[] = [],
): Promise<string> {
  const input = paths.map((path) => `.${path}\0`).join("");
  const { stdout, stderr, exit } = await resultOf(connection, command, input);
  if (exit === 0) return stdout;
  throw new ConnectionFailed(
    connection.description,
    `cannot compare files: ${stderr.trim().split("\n").at(-1) || `exit code ${exit}`}`,
  );
}
