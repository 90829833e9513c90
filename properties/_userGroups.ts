/** The groups of accounts. */
import { AbortedChange, type Change, defprop, type PosixTarget, schema } from "consfigurator";
import { predictGroups } from "./_accountModel";
import { existing, needsUsermod } from "./_accounts";
import { needsRoot } from "./_needs";
import { runs } from "./_os";

const { account, list, object } = schema;

/**
 * The account `username` is in each of `groups`, in addition to its other groups. Account and groups must exist.
 *
 * @example user.hasGroups("deploy", "sudo", "adm")
 */
export const hasGroups = defprop({
  name: "user.hasGroups",
  kind: "posix",
  args: object({ username: account(), groups: list(account(), { minItems: 1 }) }),
  call: (username: string, ...groups: string[]) => ({ username, groups }),
  desc: ({ username, groups }) => `${username} is in ${groups.join(", ")}`,
  hostattrs: (_args, host) => needsUsermod(host, "freebsd"),
  check: ({ username, groups }, target) => isIn(target, username, groups),
  apply: async ({ username, groups }, target) => {
    await needsRoot(target, "user.hasGroups");
    await existing(target, username);
    for (const group of groups) {
      if (await target.group(group)) continue;
      throw new AbortedChange(
        `the group ${group} does not exist; put user.groupExists("${group}") before this property`,
      );
    }
    return join(target, username, groups);
  },
});

/** The groups of Debian that let whoever sits at a computer use its devices. */
const DESKTOP = [
  ...["audio", "cdrom", "dip", "floppy", "video", "plugdev", "netdev", "scanner", "bluetooth"],
  ...["debian-tor", "lpadmin"],
];

const desktopGroups = async (target: PosixTarget): Promise<string[]> => {
  const present = new Set((await target.readLines("/etc/group")).map((line) => line.split(":")[0]));
  return DESKTOP.filter((group) => present.has(group));
};

/**
 * The account `username` is in those groups of a desktop that exist: audio, cdrom, dip, floppy, video, plugdev, netdev, scanner,
 * bluetooth, debian-tor and lpadmin. The account must exist. Put it behind the packages that bring such groups.
 *
 * @example user.hasDesktopGroups("ana")
 */
export const hasDesktopGroups = defprop({
  name: "user.hasDesktopGroups",
  kind: "posix",
  args: object({ username: account() }),
  call: (username: string) => ({ username }),
  desc: ({ username }) => `${username} is in the groups of a desktop`,
  hostattrs: (_args, host) => needsUsermod(host),
  check: async ({ username }, target) => isIn(target, username, await desktopGroups(target)),
  apply: async ({ username }, target) => {
    await needsRoot(target, "user.hasDesktopGroups");
    await existing(target, username);
    return join(target, username, await desktopGroups(target));
  },
});

async function isIn(target: PosixTarget, username: string, groups: readonly string[]): Promise<boolean> {
  if (!(await target.user(username))) return false;
  const present = await target.groupsOf(username);
  return groups.every((group) => present.includes(group));
}

async function join(target: PosixTarget, username: string, groups: readonly string[]): Promise<Change> {
  const present = await target.groupsOf(username);
  const added = groups.filter((group) => !present.includes(group));
  if (added.length === 0) return "unchanged";
  const [, ...secondary] = present;
  const command = runs(target.host, "freebsd")
    ? ["pw", "usermod", username, "-G", [...new Set([...secondary, ...groups])].join(",")]
    : ["usermod", "-a", "-G", groups.join(","), username];
  await target.run(command, { predict: (model) => predictGroups(model, username, groups) });
  const detail = `groups: + ${added.join(", ")}`;
  target.report({ kind: "account", change: "modified", name: username, detail });
  return "changed";
}
