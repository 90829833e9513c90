import { object } from "../model/schema";
import { deftable } from "../model/table";

/**
 * The rules of sudo: of /etc/sudoers and of the files in /etc/sudoers.d that sudo reads, in its order. `kind`: "rule", "defaults"
 * or "alias". Only root can read them.
 */
export const sudoers = deftable({
  name: "tables.sudoers",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const names = (await target.list("/etc/sudoers.d").catch(() => undefined)) ?? [];
    // sudo skips names with a dot, or a tilde at their end.
    const others = names.filter((name) => !/\.|~$/.test(name)).map((name) => `/etc/sudoers.d/${name}`);
    const main = await target.stat("/etc/sudoers");
    const files = main ? ["/etc/sudoers", ...others] : others;
    const all = await Promise.all(
      files.map(async (file) => {
        const text = (await target.readFile(file)).replaceAll("\\\n", " ");
        return text.split("\n").flatMap((line) => ruleOf(line, file));
      }),
    );
    return all.flat();
  },
});

function ruleOf(line: string, file: string) {
  // A number after # is a UID.
  const text = line.replace(/(^|\s)#(?!\d).*$/, "").trim();
  const [, who = "", rule = ""] = /^((?:\\.|"[^"]*"|[^\s"])+)\s+(.*)$/.exec(text) ?? [];
  if (who === "" || /^@include/.test(who)) return [];
  const kind = /^Defaults/.test(who)
    ? "defaults"
    : /^(User|Runas|Host|Cmnd|Cmd)_Alias$/.test(who)
      ? "alias"
      : "rule";
  return [{ kind, who, rule: rule.replaceAll(/\s+/g, " "), file }];
}
