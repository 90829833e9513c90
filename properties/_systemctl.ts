/** Runs systemctl, or predicts its answer without running it. */

import path from "node:path";
import { AbortedChange, type CommandResult, type PosixTarget, type RunOptions } from "consfigurator";
import { isInhibited } from "./_inhibited";

interface Instance {
  readonly userInstance?: boolean | undefined;
}
interface Unit extends Instance {
  readonly unit: string;
}

/** Runs systemctl for the system instance, or for the connected user's. */
export async function systemctl(
  target: PosixTarget,
  words: readonly string[],
  instance: Instance,
  options: RunOptions = {},
): Promise<CommandResult> {
  const env = await systemdEnvironment(target, instance);
  return target.run(["systemctl", ...(instance.userInstance ? ["--user"] : []), ...words], {
    ...options,
    env,
  });
}

/** The environment of systemctl and journalctl for the system instance, or for the connected user's. */
export async function systemdEnvironment(
  target: PosixTarget,
  { userInstance }: Instance,
): Promise<Record<string, string>> {
  const offline: Record<string, string> = isInhibited(target) ? { SYSTEMD_OFFLINE: "1" } : {};
  if (!userInstance) return offline;
  const directory = await runtimeDirectory(target);
  return {
    XDG_RUNTIME_DIR: directory,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${directory}/bus`,
    ...offline,
  };
}

/** Throws `AbortedChange` unless the connected user's instance of systemd runs. */
export async function needsUserInstance(target: PosixTarget): Promise<void> {
  if (await target.stat(`${await runtimeDirectory(target)}/systemd/private`)) return;
  const { user } = await target.identity();
  throw new AbortedChange(
    `no systemd instance runs for the user ${user}; put systemd.lingeringEnabled("${user}"), applied as root, before this property`,
  );
}

const runtimeDirectory = async (target: PosixTarget): Promise<string> =>
  `/run/user/${(await target.identity()).uid}`;

/** The answer of systemctl is-enabled, and whether it counts as enabled. */
export async function enabledState(
  target: PosixTarget,
  args: Unit,
): Promise<{ state: string; holds: boolean }> {
  const { stdout, exit } = await systemctl(target, ["is-enabled", args.unit], args, { mayFail: true });
  return { state: stdout.trim(), holds: exit === 0 };
}

/** The directories where the system instance finds units, in order. */
const searchPath = [
  "/etc/systemd/system.control",
  "/run/systemd/system.control",
  "/run/systemd/transient",
  "/run/systemd/generator.early",
  "/etc/systemd/system",
  "/etc/systemd/system.attached",
  "/run/systemd/system",
  "/run/systemd/system.attached",
  "/run/systemd/generator",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
  "/run/systemd/generator.late",
];
const ownUnits = "/etc/systemd/system";

/**
 * In the agent, the answer of is-enabled as far as the links on disk leave no doubt: "enabled" for a unit file that is
 * linked by its own name, or "masked". Undefined: ask systemctl.
 */
export async function linkedState(
  target: PosixTarget,
  { unit, userInstance }: Unit,
): Promise<"enabled" | "masked" | undefined> {
  if (target.kind !== "agent" || userInstance) return undefined;
  const name = /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/.test(unit)
    ? unit
    : `${unit}.service`;
  if (name.includes("@")) return undefined;
  const found = await Promise.all(searchPath.map((directory) => target.lstat(`${directory}/${name}`)));
  const at = found.findIndex((stat) => stat !== undefined);
  const [stat, directory] = [found[at], searchPath[at]];
  if (!stat || !directory) return undefined;
  if (stat.type === "symlink") {
    return (await target.readLink(`${directory}/${name}`)) === "/dev/null" ? "masked" : undefined;
  }
  if (stat.size === 0) return "masked";
  if (stat.type !== "file" || /control|transient|generator/.test(directory)) return undefined;
  return (await isLinked(target, name)) ? "enabled" : undefined;
}

async function isLinked(target: PosixTarget, name: string): Promise<boolean> {
  const directories = ((await target.list(ownUnits)) ?? []).filter((entry) =>
    /\.(wants|requires)$/.test(entry),
  );
  const links = await Promise.all(
    directories.map((entry) => target.readLink(`${ownUnits}/${entry}/${name}`)),
  );
  return links.some((link) => link !== undefined && path.posix.basename(link) === name);
}
