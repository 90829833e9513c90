/** Whether this computer can run the machines that tests use, and what a test says when it cannot. */
import { accessSync, constants, readFileSync } from "node:fs";
import path from "node:path";
import commandsOfPackages from "./_commands.json";

export type MachineSupport = { available: true } | { available: false; reason: string };

/** Looked at once: what is missing at the start of a test file does not come during it. */
export function machineSupport(): MachineSupport {
  support ??= look();
  return support;
}

/**
 * The options of a `test` or `describe` that boots machines: it is skipped, with the reason, where they cannot run.
 * With `CI=true` it is not skipped: its first `bootMachine` then fails with that reason.
 */
export function needsMachines(): { skip: string | false } {
  const found = machineSupport();
  return { skip: found.available || process.env.CI === "true" ? false : found.reason };
}

let support: MachineSupport | undefined;

function look(): MachineSupport {
  const reason =
    process.platform !== "linux"
      ? `test machines need Linux, this is ${process.platform}`
      : process.getuid?.() !== 0
        ? "test machines need root: run npm test as root, or with sudo"
        : (missingRights() ?? missingCommands());
  return reason === undefined ? { available: true } : { available: false, reason };
}

/** Root in most containers may not mount; then no machine can be started from there. */
function missingRights(): string | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const mayAdminister = (BigInt(`0x${effective}`) >> 21n) & 1n;
  if (mayAdminister === 0n)
    return "test machines need to mount file systems, and this root may not (CAP_SYS_ADMIN)";
  if (!/\boverlay$/m.test(readFileSync("/proc/filesystems", "utf8"))) {
    return "test machines need overlayfs, which this kernel has not loaded: modprobe overlay";
  }
  return undefined;
}

function missingCommands(): string | undefined {
  const missing = Object.entries(commandsOfPackages).filter(([, commands]) => !commands.every(isInstalled));
  if (missing.length === 0) return undefined;
  const packages = missing.map(([name]) => name).join(" ");
  return `test machines need Debian packages that are not installed: apt-get install ${packages}`;
}

/** Whether `command`, a name or an absolute path, is there. */
export function isInstalled(command: string): boolean {
  const places = (process.env.PATH ?? "").split(":").concat("/usr/sbin", "/sbin");
  const candidates = path.isAbsolute(command) ? [command] : places.map((place) => path.join(place, command));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}
