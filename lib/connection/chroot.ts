import { ARTIFACTS_MOUNT } from "../model/agent-artifacts";
import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { absolutePath, object } from "../model/schema";
import { ROOT_ENVIRONMENT } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { DEVICES } from "./_clone-mounts";
import { type HeldProcess, holdProcess } from "./_held-process";
import { wrapConnection } from "./_wrapped-connection";
import { resultOf } from "./command-result";

/**
 * Runs in the file system tree `into`, an absolute path on the machine before it, and needs root there. /proc, /sys,
 * /dev, /run and /tmp are mounted inside, in a mount namespace that ends with the hop: other users of the tree are not
 * affected, and nothing stays mounted. Behind an agent, a pristine worker runs inside, if Node can run there.
 */
export const chroot = defhop({
  name: "chroot",
  args: object({ into: absolutePath() }),
  call: (into: string) => ({ into }),
  open: async ({ into }, { parent }) => {
    const hop = hopText(into);
    await checkTree(parent, into, hop);
    const mounts = await holdMounts(parent, into, hop);
    return wrapConnection(parent, hop, {
      command: (command) => enterCommand(mounts.pid, into, command),
      shown: `chroot ${shellQuote(into)} /bin/sh -c …`,
      otherFiles: true,
      close: () => mounts.release(),
    });
  },
  // Mounted there, unless something is mounted there already.
  sees: ({ into }) => ({ root: into, except: ["/proc", "/sys", "/dev", "/run", "/tmp"] }),
  enter: async ({ into }, { parent }) => {
    await checkTree(parent, into, hopText(into));
    const quoted = shellQuote(into);
    return {
      ownProcesses: true,
      script: `r=${quoted}\n${OWN_PROC}\n${MOUNTS}\n${ROOT}\n$in /usr/bin/env -i ${ROOT_ENVIRONMENT} /bin/sh -c 'cd 2>/dev/null || cd /; exec "$@"' sh "$@"`,
    };
  },
});

const hopText = (into: string): string => asCode("via.chroot", [into]);

/** Mounts the usual file systems below $r, skipping those already mounted. Runs in its own mount namespace. */
const MOUNTS = `on() { mountpoint -q "$r$1" || ! [ -d "$r$1" ] || { shift; mount "$@"; }; }
mountpoint -q "$r" || mount --bind "$r" "$r"
on /proc -t proc -o nosuid,noexec,nodev proc "$r/proc"
on /sys -t sysfs -o nosuid,noexec,nodev,ro sysfs "$r/sys"
if mountpoint -q "$r/dev" || ! [ -d "$r/dev" ]; then :
elif grep -q ' /dev devtmpfs ' /proc/self/mounts && mount -t devtmpfs -o mode=0755,nosuid udev "$r/dev"; then
  mount -t devpts -o mode=0620,gid=5,nosuid,noexec devpts "$r/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$r/dev/shm"
else
${DEVICES}
fi
on /tmp -t tmpfs -o mode=1777,strictatime,nodev,nosuid tmpfs "$r/tmp"
on /run --rbind /run "$r/run"
if [ -d /sys/firmware/efi/efivars ]; then on /sys/firmware/efi/efivars -t efivarfs -o nosuid,noexec,nodev efivarfs "$r/sys/firmware/efi/efivars"; fi`;

/**
 * A new /proc hides the processes outside, whatever was mounted there before. The agent's artifacts are mounted below it,
 * so that they need no other directory in the tree.
 */
const OWN_PROC = `[ -d "$r/proc" ] || { echo "$r has no directory /proc" >&2; exit 1; }
mountpoint -q "$r" || mount --bind "$r" "$r"
mount -t proc -o nosuid,noexec,nodev proc "$r/proc"
mount --rbind ${ARTIFACTS_MOUNT} "$r${ARTIFACTS_MOUNT}"`;

/** Makes the tree the root of the mount namespace and unmounts everything else, so that not even root can get out. */
const ROOT = `cd "$r"
in="exec chroot ."
if { [ -x bin/umount ] || [ -x sbin/umount ]; } && pivot_root . . 2>/dev/null; then umount -l .; cd /; in=exec; fi`;

async function checkTree(parent: Connection, into: string, hop: string): Promise<void> {
  const directory = shellQuote(into);
  // A link to /bin/busybox, as Alpine has it, leads elsewhere out here.
  const { stdout } = await resultOf(
    parent,
    `id -u; [ -d ${directory} ] && echo directory; { [ -x ${directory}/bin/sh ] || [ -L ${directory}/bin/sh ]; } && echo shell; uname`,
  );
  const [uid, ...facts] = stdout.split("\n");
  if (uid !== "0") throw new ConnectionFailed(hop, "needs root; add via.sudo() before it");
  if (!facts.includes("directory"))
    throw new ConnectionFailed(hop, `there is no directory ${into} on the machine before it`);
  if (!facts.includes("shell"))
    throw new ConnectionFailed(hop, `${into} has no /bin/sh: is a system installed there?`);
  if (!facts.includes("Linux")) throw new ConnectionFailed(hop, "needs Linux");
}

/** Starts a process that keeps the mounts for the hop's commands. */
function holdMounts(parent: Connection, into: string, hop: string): Promise<HeldProcess> {
  const script = `set -e; r=${shellQuote(into)}; ${MOUNTS}\necho "ready $(cut -d" " -f4 /proc/self/stat)"; exec cat >/dev/null`;
  return holdProcess(
    parent,
    `exec unshare --mount --propagation private -- /bin/sh -c ${shellQuote(script)}`,
    { hop, otherwise: "cannot mount /proc, /sys, /dev, /run and /tmp inside it" },
  );
}

const enterCommand = (pid: number, into: string, command: string): string =>
  `exec nsenter --target ${pid} --mount --root -- chroot ${shellQuote(into)} /usr/bin/env -i ${ROOT_ENVIRONMENT} /bin/sh -c ${shellQuote(`cd 2>/dev/null || cd /; ${command}`)}`;
