/** Detects whether this computer can run test machines, and the reason to report when it cannot. */

import { accessSync, constants, readFileSync } from "node:fs";
import path from "node:path";
import commandsOfPackages from "./_commands.json";
import { ALL } from "./breadth";

export type MachineSupport = { available: true } | { available: false; reason: string };

/** Checked once per process. */
export function machineSupport(): MachineSupport {
  support ??= detect();
  return support;
}

/**
 * Options for a `test` or `describe` that boots machines: skips it, with the reason, where machines cannot run. With
 * `CI=true` it is not skipped: its first `bootMachine` then fails with that reason.
 */
export function needsMachines(): { skip: string | false } {
  const found = machineSupport();
  return { skip: found.available || process.env.CI === "true" ? false : found.reason };
}

/** As `needsMachines`, for what takes many minutes: it is run with CONSFIGURATOR_TEST_ALL only. */
export const needsMachinesForLong = (): { skip: string | false } =>
  ALL ? needsMachines() : { skip: "takes many minutes; CONSFIGURATOR_TEST_ALL=1 runs it" };

let support: MachineSupport | undefined;

function detect(): MachineSupport {
  const reason =
    process.platform !== "linux"
      ? `test machines need Linux, this is ${process.platform}`
      : process.getuid?.() !== 0
        ? "test machines need root: run npm test as root, or with sudo"
        : (missingRights() ?? missingCommands());
  return reason === undefined ? { available: true } : { available: false, reason };
}

/** In most containers root may not mount file systems, and so cannot start machines. */
function missingRights(): string | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const mayAdminister = (BigInt(`0x${effective}`) >> 21n) & 1n;
  if (mayAdminister === 0n)
    return "test machines need to mount file systems, but root lacks CAP_SYS_ADMIN here";
  if (!/\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))) {
    return "test machines need overlayfs, which is not loaded: run modprobe overlay";
  }
  return undefined;
}

function missingCommands(): string | undefined {
  const missing = Object.entries(commandsOfPackages).filter(([, commands]) => !commands.every(isInstalled));
  if (missing.length === 0) return undefined;
  const packages = missing.map(([name]) => name).join(" ");
  return `test machines need Debian packages that are not installed: run apt-get install ${packages}`;
}

/** True when `command`, a name or an absolute path, exists. */
export function isInstalled(command: string): boolean {
  const directories = (process.env.PATH ?? "").split(":").concat("/usr/sbin", "/sbin");
  const candidates = path.isAbsolute(command)
    ? [command]
    : directories.map((each) => path.join(each, command));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}
