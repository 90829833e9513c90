import type { Group, User } from "../model/target";

/** The accounts in `text`, in the format of passwd(5). Other lines are ignored. */
export const parsePasswd = (text: string): User[] =>
  text.split("\n").flatMap((line) => {
    const [name, , uid, gid, gecos = "", home = "", shell = ""] = line.split(":");
    return name && isNumber(uid) && isNumber(gid)
      ? [{ name, uid: Number(uid), gid: Number(gid), gecos, home, shell }]
      : [];
  });

/** The groups in `text`, in the format of group(5). */
export const parseGroup = (text: string): Group[] =>
  text.split("\n").flatMap((line) => {
    const [name, , gid, members = ""] = line.split(":");
    return name && isNumber(gid)
      ? [{ name, gid: Number(gid), members: members.split(",").filter((member) => member !== "") }]
      : [];
  });

/** The account with this name, or with this UID if a number is given. */
export const findUser = (users: readonly User[], key: string | number): User | undefined =>
  users.find(({ name, uid }) => (typeof key === "number" ? uid === key : name === key));

export const findGroup = (groups: readonly Group[], key: string | number): Group | undefined =>
  groups.find(({ name, gid }) => (typeof key === "number" ? gid === key : name === key));

/** The names of the groups of `user` in `groups`, the primary one first. */
export function groupNames(user: User, groups: readonly Group[]): string[] {
  const primary = findGroup(groups, user.gid)?.name ?? String(user.gid);
  const others = groups.filter((group) => group.members.includes(user.name) && group.name !== primary);
  return [primary, ...others.map((group) => group.name)];
}

const isNumber = (text: string | undefined): text is string => text !== undefined && /^\d+$/.test(text);
