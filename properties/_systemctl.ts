/** Runs systemctl, or predicts its answer without running it. */

import path from "node:path";
import {
  AbortedChange,
  type CommandResult,
  type PlanModel,
  type PosixTarget,
  type RunOptions,
} from "consfigurator";
import { isInhibited } from "./_inhibited";
import {
  aboutUnits,
  isQuestion,
  OWN_UNITS,
  parsed,
  predictSystemctl,
  SEARCH_PATH,
  systemctlCommand,
  unitChanges,
  unitFileName,
} from "./_systemctlVerbs";

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
  options: Pick<RunOptions, "mayFail"> = {},
): Promise<CommandResult> {
  const env = await systemdEnvironment(target, instance);
  const command = systemctlCommand(words, instance);
  const { verb, units } = parsed(words);
  if (isQuestion(verb)) return target.query(command, { ...options, env, about: aboutUnits(units) });
  const predict = (model: PlanModel) => predictSystemctl(model, words, instance);
  const result = await target.run(command, { ...options, env, predict });
  if (result.exit === 0) for (const change of unitChanges(words)) target.report(change);
  return result;
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

/**
 * In the agent, the answer of is-enabled as far as the links on disk leave no doubt: "enabled" for a unit file that is
 * linked by its own name, or "masked". Undefined: ask systemctl.
 */
export async function linkedState(
  target: PosixTarget,
  { unit, userInstance }: Unit,
): Promise<"enabled" | "masked" | undefined> {
  if (target.kind !== "agent" || userInstance) return undefined;
  const name = unitFileName(unit);
  if (name.includes("@")) return undefined;
  const found = await Promise.all(SEARCH_PATH.map((directory) => target.lstat(`${directory}/${name}`)));
  const at = found.findIndex((stat) => stat !== undefined);
  const [stat, directory] = [found[at], SEARCH_PATH[at]];
  if (!stat || !directory) return undefined;
  if (stat.type === "symlink") {
    return (await target.readLink(`${directory}/${name}`)) === "/dev/null" ? "masked" : undefined;
  }
  if (stat.size === 0) return "masked";
  if (stat.type !== "file" || /control|transient|generator/.test(directory)) return undefined;
  return (await isLinked(target, name)) ? "enabled" : undefined;
}

async function isLinked(target: PosixTarget, name: string): Promise<boolean> {
  const directories = ((await target.list(OWN_UNITS)) ?? []).filter((entry) =>
    /\.(wants|requires)$/.test(entry),
  );
  const links = await Promise.all(
    directories.map((entry) => target.readLink(`${OWN_UNITS}/${entry}/${name}`)),
  );
  return links.some((link) => link !== undefined && path.posix.basename(link) === name);
}
