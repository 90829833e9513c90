/** Groups: see `user.groupExists` and `user.hasGroups`, too. */
import { AbortedChange, defprop, schema } from "consfigurator";
import { predictField, predictGroupdel } from "./_accountModel";
import { existing, needsUsermod } from "./_accounts";
import { needsRoot } from "./_needs";
import { runs } from "./_os";

const { account, list, object } = schema;

/**
 * The group `group` does not exist. Files that belong to it keep its number. Refused while it is the group of an account.
 *
 * @example group.doesNotExist("editors")
 */
export const doesNotExist = defprop({
  name: "group.doesNotExist",
  kind: "posix",
  args: object({ group: account() }),
  call: (group: string) => ({ group }),
  desc: ({ group }) => `no group ${group}`,
  hostattrs: (_args, host) => needsUsermod(host, "freebsd"),
  check: async ({ group }, target) => (await target.group(group)) === undefined,
  apply: async ({ group }, target) => {
    await needsRoot(target, "group.doesNotExist");
    const gid = String((await target.group(group))?.gid);
    const accounts = (await target.readLines("/etc/passwd")).map((line) => line.split(":"));
    const owner = accounts.find((fields) => fields[3] === gid)?.[0];
    if (owner !== undefined)
      throw new AbortedChange(
        `${group} is the group of the account ${owner}; put user.doesNotExist("${owner}") before this property, or give ${owner} another group`,
      );
    const command = runs(target.host, "freebsd") ? ["pw", "groupdel", group] : ["groupdel", group];
    await target.run(command, { predict: (model) => predictGroupdel(model, group) });
    target.report({ kind: "group", change: "removed", name: group });
    return "changed";
  },
});

/**
 * The members of the group `group` are `members`, and nobody else; accounts whose own group it is do not count. Group and accounts must
 * exist.
 *
 * @example group.hasOnlyMembers("sudo", "admin")
 */
export const hasOnlyMembers = defprop({
  name: "group.hasOnlyMembers",
  kind: "posix",
  args: object({ group: account(), members: list(account()) }),
  call: (group: string, ...members: string[]) => ({ group, members: [...new Set(members)] }),
  desc: ({ group, members }) => `members of ${group}: ${members.join(", ") || "nobody"}`,
  hostattrs: (_args, host) => needsUsermod(host, "freebsd"),
  check: async ({ group, members }, target) => {
    const found = await target.group(group);
    return found !== undefined && sorted(found.members) === sorted(members);
  },
  apply: async ({ group, members }, target) => {
    await needsRoot(target, "group.hasOnlyMembers");
    const found = await target.group(group);
    if (!found)
      throw new AbortedChange(
        `the group ${group} does not exist; put user.groupExists("${group}") before this property`,
      );
    for (const member of members) await existing(target, member);
    const names = members.join(",");
    const command = runs(target.host, "freebsd")
      ? ["pw", "groupmod", group, "-M", names]
      : ["gpasswd", "--members", names, group];
    await target.run(command, {
      predict: async (model) => {
        model.mayChange({ paths: ["/etc/gshadow"] });
        return predictField(model, "/etc/group", group, 3, () => names);
      },
    });
    const detail = `members: ${sorted(found.members) || "nobody"} → ${sorted(members) || "nobody"}`;
    target.report({ kind: "group", change: "modified", name: group, detail });
    return "changed";
  },
});

const sorted = (names: readonly string[]): string => [...names].sort().join(", ");
