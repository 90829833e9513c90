/** What is mounted, as findmnt(8) says. */
import type { PosixTarget } from "consfigurator";

type Columns = Readonly<Record<string, string | undefined>>;

/** The `columns` of what is mounted at `path`, or with "--target" of what the file `path` is on; undefined when there is none. */
export async function findmnt(
  target: PosixTarget,
  by: "--mountpoint" | "--target",
  path: string,
  columns: readonly string[],
): Promise<Columns | undefined> {
  const { exit, stdout } = await target.query(
    ["findmnt", "--noheadings", "--pairs", "--output", columns.join(), by, path],
    { mayFail: true, about: { paths: ["/proc/self/mountinfo", path] } },
  );
  if (exit !== 0) return undefined;
  // What is mounted on top comes last.
  const line = stdout.trim().split("\n").at(-1) ?? "";
  return Object.fromEntries(
    [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
  );
}
