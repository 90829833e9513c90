/** Accounts and groups. */
import { AbortedChange, defprop, schema } from "consfigurator";
import { accountDetail, predictField, predictGroupadd, predictUseradd } from "./_accountModel";
import { existing, needsUsermod } from "./_accounts";
import { needsRoot } from "./_needs";
import { runs } from "./_os";

export { hasDesktopGroups, hasGroups } from "./_userGroups";
export { hasHome } from "./_userHome";
export { hasEnabledPassword, hasLockedPassword, isLocked } from "./_userPasswords";
export { doesNotExist } from "./_userRemoval";

const { absolutePath, account, integer, object } = schema;

const id = () => integer({ minimum: 0, maximum: 2 ** 32 - 2, description: "a user or group number" });

/**
 * The account `username` exists. A missing account is created with a home directory, and a group of its name, or in that
 * group where it exists already.
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
    const group = await target.group(username);
    const inGroup = group ? ["-g", username] : [];
    const command = runs(target.host, "freebsd")
      ? ["pw", "useradd", username, "-m", ...inGroup]
      : ["useradd", "-m", ...inGroup, username];
    await target.run(command, {
      predict: (model) => predictUseradd(model, username, group ? { gid: group.gid } : {}),
    });
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
