import { object } from "../model/schema";
import { deftable } from "../model/table";
import { parseGroup, parsePasswd } from "../target/accounts";

/** The local accounts, in the order of /etc/passwd. */
export const users = deftable({
  name: "tables.users",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const [accounts, all] = await Promise.all([
      target.readFile("/etc/passwd"),
      target.readFile("/etc/group"),
    ]);
    const groups = parseGroup(all);
    return parsePasswd(accounts).map(({ name, uid, gid, gecos, home, shell }) => ({
      name,
      uid,
      groups: groups
        .filter((group) => group.gid === gid || group.members.includes(name))
        .map((group) => group.name),
      home,
      shell,
      comment: gecos,
    }));
  },
});

/** The local groups, in the order of /etc/group. Members are those named there, not those whose main group it is. */
export const groups = deftable({
  name: "tables.groups",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    parseGroup(await target.readFile("/etc/group")).map(({ name, gid, members }) => ({ name, gid, members })),
});
