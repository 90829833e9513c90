import { object } from "../model/schema";
import { deftable } from "../model/table";
import { askedOf } from "./_absent";

/** The configuration files of the installed packages, as dpkg knows them. `state`: "as installed", "changed" or "missing". */
export const conffiles = deftable({
  name: "tables.conffiles",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const { stdout } = await askedOf(
      target,
      ["dpkg-query", "-W", "-f", "${Package}\\n${Conffiles}\\n"],
      "the host has no dpkg, which knows the configuration files of packages",
    );
    const known = conffilesIn(stdout);
    const paths = known.map(({ path }) => path);
    // It fails when one of them is missing, or may not be read.
    const sums =
      paths.length === 0 ? { stdout: "" } : await target.query(["md5sum", "--", ...paths], { mayFail: true });
    const found = new Map(sums.stdout.split("\n").map((line) => [line.slice(34), line.slice(0, 32)]));
    return known.map(({ path, package: owner, sum }) => {
      const now = found.get(path);
      return {
        path,
        package: owner,
        state: now === undefined ? "missing" : now === sum ? "as installed" : "changed",
      };
    });
  },
});

/** Of `${Package}` and `${Conffiles}`: a line ` PATH MD5 [obsolete]` for each. Obsolete ones belong to no package any more. */
function conffilesIn(text: string): { path: string; package: string; sum: string }[] {
  let owner = "";
  return text.split("\n").flatMap((line) => {
    const [, path, sum] = /^ (\/.*) ([0-9a-f]{32})$/.exec(line) ?? [];
    if (path !== undefined && sum !== undefined) return [{ path, package: owner, sum }];
    if (line !== "" && !line.startsWith(" ")) owner = line;
    return [];
  });
}
