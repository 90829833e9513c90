import { AbortedChange, type Change, defprop, type PosixTarget, schema, type User } from "consfigurator";
import { accountDetail, predictField } from "./_accountModel";
import { existing, needsUsermod } from "./_accounts";
import { needsRoot } from "./_needs";
import { parentOf } from "./_paths";

const { absolutePath, account, mode, object, optional } = schema;

const homeArgs = object({ username: account(), path: optional(absolutePath()), mode: optional(mode()) });
type HomeArgs = schema.Infer<typeof homeArgs>;

/**
 * The account `username`, which must exist, has a home directory: `path`, or the one that it has already. The directory
 * exists and belongs to the account and its group. It has the permission bits `mode`; without it, it keeps its own, and a new
 * one gets 0o700.
 *
 * A missing directory is created with what is in /etc/skel. With another `path` than before, the old directory is moved
 * there, unless there is one; usermod(8) refuses that while a process of the account runs.
 *
 * @example user.hasHome("deploy")
 * @example user.hasHome("deploy", { path: "/srv/deploy", mode: 0o750 })
 */
export const hasHome = defprop({
  name: "user.hasHome",
  kind: "posix",
  args: homeArgs,
  call: (username: string, options: Omit<HomeArgs, "username"> = {}) => ({ username, ...options }),
  desc: ({ username, path }) => `home directory ${path === undefined ? "" : `${path} `}of ${username}`,
  hostattrs: (_args, host) => needsUsermod(host),
  check: async (args, target) => {
    const user = await target.user(args.username);
    if (!user || user.home !== (args.path ?? user.home)) return false;
    const found = await target.stat(user.home);
    const { uid, gid, type, mode } = found ?? {};
    return type === "directory" && uid === user.uid && gid === user.gid && mode === (args.mode ?? mode);
  },
  apply: async (args, target) => {
    await needsRoot(target, "user.hasHome");
    const user = await existing(target, args.username);
    const home = args.path ?? user.home;
    if (args.path === undefined && ["", "/", "/nonexistent", "/dev/null"].includes(home))
      throw new AbortedChange(
        `the home directory of ${user.name} is ${home || "not set"}, which is none of its own; give it one with { path: "/home/${user.name}" }`,
      );
    const changes: Change[] = [];
    if (user.home !== home) changes.push(await moveHome(target, user, home));
    const found = await target.stat(home);
    if (found && found.type !== "directory")
      throw new AbortedChange(`${home} is not a directory; remove it, or give another { path }`);
    if (!found) changes.push(await makeHome(target, user, home, args.mode ?? 0o700));
    changes.push(await target.setOwner(home, ownerOf(user)));
    if (args.mode !== undefined) changes.push(await target.setMode(home, args.mode));
    return changes.includes("changed") ? "changed" : "unchanged";
  },
});

const ownerOf = ({ uid, gid }: User) => ({ user: String(uid), group: String(gid) });

async function moveHome(target: PosixTarget, user: User, home: string): Promise<Change> {
  const [before, there] = await Promise.all([target.stat(user.home), target.lstat(home)]);
  const moves = before?.type === "directory" && !there;
  if (moves) await target.makeDirectory(parentOf(home));
  await target.run(["usermod", "--home", home, ...(moves ? ["--move-home"] : []), user.name], {
    predict: async (model) => {
      await predictField(model, "/etc/passwd", user.name, 5, () => home);
      if (moves) await model.rename(user.home, home);
      return undefined;
    },
  });
  const detail = accountDetail(user, { home });
  target.report({ kind: "account", change: "modified", name: user.name, detail });
  return "changed";
}

async function makeHome(target: PosixTarget, user: User, home: string, mode: number): Promise<Change> {
  await target.makeDirectory(parentOf(home));
  await target.makeDirectory(home, { mode });
  await copySkeleton(target, "/etc/skel", home, user);
  return "changed";
}

async function copySkeleton(target: PosixTarget, from: string, to: string, user: User): Promise<void> {
  for (const name of (await target.list(from)) ?? []) {
    const copy = `${to}/${name}`;
    const found = await target.lstat(`${from}/${name}`);
    if (found?.type === "directory") {
      await target.makeDirectory(copy, { mode: found.mode });
      await copySkeleton(target, `${from}/${name}`, copy, user);
    } else if (found?.type === "symlink") {
      await target.symlink(copy, (await target.readLink(`${from}/${name}`)) ?? "");
    } else await target.copyFile(`${from}/${name}`, copy);
    await target.setOwner(copy, ownerOf(user));
  }
}
