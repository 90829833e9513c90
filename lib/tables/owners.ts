import { list, object, path } from "../model/schema";
import { deftable } from "../model/table";
import type { PosixTarget } from "../model/target";

/** The packages that have the files at `paths`, one row for each; of a file that no package has, none. */
export const owners = deftable({
  name: "tables.owners",
  args: object({ paths: list(path()) }),
  call: (...paths: string[]) => ({ paths }),
  rows: async ({ paths }, target) => {
    if (paths.length === 0) return [];
    if (await target.hasCommand("dpkg-query")) {
      // It fails when one of them belongs to no package, and prints the others.
      const { stdout } = await target.query(["dpkg-query", "-S", "--", ...paths.map(literal)], {
        mayFail: true,
      });
      return stdout.split("\n").flatMap((line) => {
        const [, names = "", file = ""] = /^(?!diversion by )(.*?): (\/.*)$/.exec(line) ?? [];
        if (!paths.includes(file)) return [];
        return names.split(", ").map((name) => ({ path: file, package: name.replace(/:.*$/, "") }));
      });
    }
    const found = await Promise.all(paths.map((file) => ownerOf(file, target)));
    return found.flatMap((name, index) => (name ? [{ path: paths[index] ?? "", package: name }] : []));
  },
});

/** dpkg takes a pattern of the shell. */
const literal = (file: string): string => file.replaceAll(/[\\*?[]/g, (each) => `\\${each}`);

async function ownerOf(file: string, target: PosixTarget): Promise<string | undefined> {
  if (await target.hasCommand("apk")) {
    const { stdout } = await target.query(["apk", "info", "-W", "-q", file], { mayFail: true });
    return stdout.trim().replace(/-[^-]+-r\d+$/, "") || undefined;
  }
  const { stdout } = await target.query(["pkg", "which", "-q", file], { mayFail: true });
  return stdout.trim().replace(/-[^-]+$/, "") || undefined;
}
