/** Accounts and groups. */
import {
  AbortedChange,
  defprop,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  schema,
} from "consfigurator";
import { accountDetail, predictField, predictGroupadd, predictGroups, predictUseradd } from "./_accountModel";
import { needsRoot } from "./_needs";
import { isA, of, runs, shown } from "./_os";

const { absolutePath, account, integer, list, object } = schema;

const id = () => integer({ minimum: 0, maximum: 2 ** 32 - 2, description: "a user or group number" });

/**
 * The account `username` exists. A missing account is created with a home directory.
 *
 * @example user.hasAccount("deploy")
 */
export const hasAccount = defprop({
  name: "user.hasAccount",
  kind: "posix",
  args: object({ username: account() }),
  call: (username: string) => ({ username }),
  desc: ({ username }) => `account ${username}`,
  check: async ({ username }, target) => (await target.user(username)) !== undefined,
  apply: async ({ username }, target) => {
    await needsRoot(target, "user.hasAccount");
    const command = runs(target.host, "freebsd")
      ? ["pw", "useradd", username, "-m"]
      : ["useradd", "-m", username];
    await target.run(command, { predict: (model) => predictUseradd(model, username) });
    target.report({ kind: "account", change: "created", name: username });
    return "changed";
  },
});

/**
 * The account `username` exists with the number `uid`, and its group of the same name with the number `gid`, which is
 * `uid` unless given. Different numbers are changed, also on the files in its home directory; files elsewhere keep the
 * old numbers.
 *
 * @example user.hasAccountWithUid("media", 1500, { gid: 1500 })
 */
export const hasAccountWithUid = defprop({
  name: "user.hasAccountWithUid",
  kind: "posix",
  args: object({ username: account(), uid: id(), gid: id() }),
  call: (username: string, uid: number, { gid = uid }: { gid?: number } = {}) => ({ username, uid, gid }),
  desc: ({ username, uid, gid }) => `account ${username} with uid ${uid}, gid ${gid}`,
  hostattrs: (_args, host) => needsUsermod(host),
  check: async ({ username, uid, gid }, target) => {
    const found = await target.user(username);
    if (found?.uid !== uid || found.gid !== gid) return false;
    return (await target.group(username))?.gid === gid;
  },
  apply: async ({ username, uid, gid }, target) => {
    await needsRoot(target, "user.hasAccountWithUid");
    const taken = await target.user(uid);
    if (taken && taken.name !== username) {
      throw new AbortedChange(
        `cannot give uid ${uid} to ${username}: ${taken.name} has it; choose another one`,
      );
    }
    const takenGroup = await target.group(gid);
    if (takenGroup && takenGroup.name !== username) {
      throw new AbortedChange(
        `cannot give gid ${gid} to ${username}: the group ${takenGroup.name} has it; choose another one`,
      );
    }
    const before = await target.user(username);
    const group = await target.group(username);
    // Refused while a process of the user runs: first of all, before anything has changed.
    if (before && before.uid !== uid)
      await target.run(["usermod", "--uid", String(uid), username], {
        predict: (model) => predictField(model, "/etc/passwd", username, 2, () => String(uid)),
      });
    // Before the group gets its number, after which nothing would be left to do next time.
    if (before) await target.reassignOwner(before.home, before, { uid, gid });
    if (group?.gid !== gid) {
      await target.run([group ? "groupmod" : "groupadd", "--gid", String(gid), username], {
        predict: (model) =>
          group
            ? predictField(model, "/etc/group", username, 2, () => String(gid))
            : predictGroupadd(model, username, gid),
      });
      target.report({ kind: "group", change: group ? "modified" : "created", name: username });
    }
    const command = before ? ["usermod"] : ["useradd", "-m", "--uid", String(uid)];
    await target.run([...command, "--gid", String(gid), username], {
      predict: (model) =>
        before
          ? predictField(model, "/etc/passwd", username, 3, () => String(gid))
          : predictUseradd(model, username, { uid, gid }),
    });
    target.report(
      before
        ? { kind: "account", change: "modified", name: username, detail: accountDetail(before, { uid, gid }) }
        : { kind: "account", change: "created", name: username },
    );
    return "changed";
  },
});

/**
 * The group `group` exists.
 *
 * @example user.groupExists("editors")
 */
export const groupExists = defprop({
  name: "user.groupExists",
  kind: "posix",
  args: object({ group: account() }),
  call: (group: string) => ({ group }),
  desc: ({ group }) => `group ${group}`,
  check: async ({ group }, target) => (await target.group(group)) !== undefined,
  apply: async ({ group }, target) => {
    await needsRoot(target, "user.groupExists");
    await target.run(runs(target.host, "freebsd") ? ["pw", "groupadd", group] : ["groupadd", group], {
      predict: (model) => predictGroupadd(model, group),
    });
    target.report({ kind: "group", change: "created", name: group });
    return "changed";
  },
});

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
  check: async ({ username, groups }, target) => {
    if (!(await target.user(username))) return false;
    const present = await target.groupsOf(username);
    return groups.every((group) => present.includes(group));
  },
  apply: async ({ username, groups }, target) => {
    await needsRoot(target, "user.hasGroups");
    await existing(target, username);
    for (const group of groups) {
      if (await target.group(group)) continue;
      throw new AbortedChange(
        `the group ${group} does not exist; put user.groupExists("${group}") before this property`,
      );
    }
    const present = await target.groupsOf(username);
    const [, ...secondary] = present;
    const command = runs(target.host, "freebsd")
      ? ["pw", "usermod", username, "-G", [...new Set([...secondary, ...groups])].join(",")]
      : ["usermod", "-a", "-G", groups.join(","), username];
    await target.run(command, { predict: (model) => predictGroups(model, username, groups) });
    const added = groups.filter((group) => !present.includes(group));
    const detail = `groups: + ${added.join(", ")}`;
    target.report({ kind: "account", change: "modified", name: username, detail });
    return "changed";
  },
});

/**
 * The account `username` has the login shell `shell`, which is listed in /etc/shells. Account and shell must exist.
 *
 * @example user.hasLoginShell("deploy", "/bin/bash")
 */
export const hasLoginShell = defprop({
  name: "user.hasLoginShell",
  kind: "posix",
  args: object({ username: account(), shell: absolutePath() }),
  call: (username: string, shell: string) => ({ username, shell }),
  desc: ({ username, shell }) => `${username} has the login shell ${shell}`,
  check: async ({ username, shell }, target) => (await target.user(username))?.shell === shell,
  apply: async ({ username, shell }, target) => {
    await needsRoot(target, "user.hasLoginShell");
    const before = await existing(target, username);
    if (!(await target.stat(shell))) {
      throw new AbortedChange(
        `${shell} does not exist; install the package that provides it before this property`,
      );
    }
    await target.editLines("/etc/shells", (lines) => (lines.includes(shell) ? lines : [...lines, shell]));
    await target.run(["chsh", "-s", shell, username], {
      predict: (model) => predictField(model, "/etc/passwd", username, 6, () => shell),
    });
    const detail = accountDetail(before, { shell });
    target.report({ kind: "account", change: "modified", name: username, detail });
    return "changed";
  },
});

/**
 * The account `username` has no password that could be used to log in. Other methods, such as ssh keys, still work.
 *
 * @example user.hasLockedPassword("root")
 */
export const hasLockedPassword = defprop({
  name: "user.hasLockedPassword",
  kind: "posix",
  args: object({ username: account() }),
  call: (username: string) => ({ username }),
  desc: ({ username }) => `${username} has no usable password`,
  hostattrs: (_args, host) => needsUsermod(host),
  check: async ({ username }, target) => {
    await needsRoot(target, "user.hasLockedPassword");
    await existing(target, username);
    return isLocked(await target.readLines("/etc/shadow"), username);
  },
  apply: async ({ username }, target) => {
    await target.run(["passwd", "--lock", username], {
      predict: (model) => predictField(model, "/etc/shadow", username, 1, (password) => `!${password}`),
    });
    target.report({ kind: "account", change: "modified", name: username, detail: "password: locked" });
    return "changed";
  },
});

/** Whether passwd -S would print "L": no password matches the entry of `username` in `shadow`. */
export function isLocked(shadow: readonly string[], username: string): boolean {
  const password = shadow.map((line) => line.split(":")).find(([name]) => name === username)?.[1];
  return password !== undefined && /^[!*]/.test(password);
}

async function existing(target: PosixTarget, username: string) {
  const found = await target.user(username);
  if (found) return found;
  throw new AbortedChange(
    `the account ${username} does not exist; put user.hasAccount("${username}") before this property`,
  );
}

/** Requires the tools of Debian, or those of `other` if given. */
function needsUsermod(host: HostFacts, other?: "freebsd"): void {
  const value = of(host);
  if (value && (isA(value, "debianlike") || (other && isA(value, other)))) return;
  const wanted = other ? `debianlike or ${other}` : "debianlike";
  const found = value ? `runs ${shown(value)}` : "has no operating system declared yet";
  throw new InapplicableProperty(`it needs a ${wanted} system, but ${host.name} ${found}`);
}
