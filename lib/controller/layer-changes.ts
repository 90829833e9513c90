import { contentsOf, type Entry, type LayerChange } from "../connection/clone-layers";
import type { FileChange } from "../model/changes";
import type { Connection } from "../model/connection";
import type { CountedFiles } from "../model/rehearsal";
import { entryChange, type FileImage, fileChange, fromTo, MOST_DIFFED } from "../target/file-change";

/** Bytes of files whose contents are read for diffs; the rest is reported by its size. */
const MOST_READ = 8 << 20;

/** Changes below these are only counted: packages and the system make so many that they would hide the rest. */
const COUNTED = [
  ...["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/share", "/usr/include"],
  ...["/var/cache", "/var/log", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/systemd", "/run", "/tmp"],
];

/** `changes` without those that are only counted, and how many there are of those. */
export function countedChanges(changes: readonly LayerChange[]): {
  shown: LayerChange[];
  counted: CountedFiles[];
} {
  const groups = Map.groupBy(
    changes,
    ({ path }) => COUNTED.find((each) => path.startsWith(`${each}/`)) ?? "",
  );
  const counted = [...groups]
    .filter(([directory]) => directory)
    .map(([directory, { length }]) => ({ directory, files: length }));
  return { shown: groups.get("") ?? [], counted };
}

/**
 * `changes` of the clone that is seen through `outside`, with contents, as deployments report them. `isSecret`: nothing of that
 * file is shown, whoever may read it.
 */
export async function fileChanges(
  outside: Connection,
  changes: readonly LayerChange[],
  isSecret: (path: string) => boolean = () => false,
): Promise<FileChange[]> {
  let left = MOST_READ;
  const diffed = changes.filter((change) => {
    if (!hasDiff(change) || isSecret(change.path)) return false;
    left -= (change.before?.size ?? 0) + (change.after?.size ?? 0);
    return left >= 0;
  });
  const read = (side: "before" | "after") =>
    contentsOf(
      outside,
      side,
      diffed.filter((change) => change[side]).map(({ path }) => path),
    );
  const before = await read("before");
  const after = await read("after");
  return Promise.all(changes.map((change) => changeOf(change, before, after, isSecret(change.path))));
}

const sides = ({ before, after }: LayerChange): Entry[] =>
  [before, after].filter((entry) => entry !== undefined);

/** Whether both sides are files, as far as there are any, whose contents differ. */
const differsInContent = (change: LayerChange): boolean =>
  sides(change).every(({ type }) => type === "file") && change.before?.sha256 !== change.after?.sha256;

/** Whether everyone on the host may read both sides, and they are not too large. */
const hasDiff = (change: LayerChange): boolean =>
  differsInContent(change) && sides(change).every(({ mode, size }) => mode & 0o004 && size <= MOST_DIFFED);

async function changeOf(
  change: LayerChange,
  contentsBefore: ReadonlyMap<string, Buffer>,
  contentsAfter: ReadonlyMap<string, Buffer>,
  secret: boolean,
): Promise<FileChange> {
  const { path, before, after } = change;
  const owner = before && after && before.owner !== after.owner && fromTo(before.owner, after.owner);
  if (differsInContent(change)) {
    const images = [
      imageOf(before, contentsBefore.get(path), secret),
      imageOf(after, contentsAfter.get(path), secret),
    ];
    return { ...(await fileChange(path, images[0], images[1])), ...(owner && { owner }) };
  }
  const kind = before ? (after ? "modified" : "removed") : "created";
  return entryChange(path, kind, (after ?? before)?.type ?? "other", {
    ...(before?.mode !== after?.mode && { mode: fromTo(before?.mode, after?.mode) }),
    ...(owner && { owner }),
    ...(before?.link !== after?.link && { link: fromTo(before?.link, after?.link) }),
  });
}

const imageOf = (
  entry: Entry | undefined,
  bytes: Buffer | undefined,
  secret: boolean,
): FileImage | undefined => entry && { size: entry.size, mode: entry.mode, bytes, secret };
