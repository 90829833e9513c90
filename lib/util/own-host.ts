import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { tryOrUndefined } from "./attempt";

/** The directory that stands for the host: its lock is that of this directory. Tests set another one than the root. */
export const hostDirectory = (): string => process.env["CONSFIGURATOR_LOCK"] ?? "/";

/** Identifies the host that this process sees: a machine, a container, or the tree of a chroot. */
export function ownHost(): string {
  const { dev, ino } = statSync(hostDirectory());
  const boot = tryOrUndefined(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  return `${boot ?? hostname()}-${dev}:${ino}`;
}
