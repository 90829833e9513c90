import { ARTIFACTS_MOUNT } from "../model/agent-artifacts";
import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { absolutePath, object } from "../model/schema";
import { ROOT_ENVIRONMENT } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { inside } from "./_inside";
import { resultOf } from "./command-result";

/**
 * In the file system tree `into`, an absolute path on the machine before it; it takes root there. /proc, /sys, /dev,
 * /run and /tmp are mounted inside, in a mount namespace that goes with the hop: other uses of the tree are not
 * disturbed, and nothing is left mounted. In an agent it is a pristine worker inside, if Node can run there.
 */
export const chroot = defhop({
  name: "chroot",
  args: object({ into: absolutePath() }),
  call: (into: string) => ({ into }),
  open: async ({ into }, { parent }) => {
    const hop = hopText(into);
    await refuseUnfit(parent, into, hop);
    const holder = await hold(parent, into, hop);
    return inside(parent, hop, {
      command: (command) => entering(holder.pid, into, command),
      shown: `chroot ${shellQuote(into)} /bin/sh -c …`,
      otherFiles: true,
      close: () => holder.release(),
    });
  },
  enter: async ({ into }, { parent }) => {
    await refuseUnfit(parent, into, hopText(into));
    const quoted = shellQuote(into);
    return {
      ownProcesses: true,
      script: `r=${quoted}\n${OWN_PROC}\n${MOUNTS}\n${ROOT}\n$in /usr/bin/env -i ${ROOT_ENVIRONMENT} /bin/sh -c 'cd 2>/dev/null || cd /; exec "$@"' sh "$@"`,
    };
  },
});

const hopText = (into: string): string => asCode("via.chroot", [into]);

/** Mounts below $r what a system expects; each is left out where it is there already. Run in a namespace of its own. */
const MOUNTS = `on() { mountpoint -q "$r$1" || ! [ -d "$r$1" ] || { shift; mount "$@"; }; }
mountpoint -q "$r" || mount --bind "$r" "$r"
on /proc -t proc -o nosuid,noexec,nodev proc "$r/proc"
on /sys -t sysfs -o nosuid,noexec,nodev,ro sysfs "$r/sys"
if mountpoint -q "$r/dev" || ! [ -d "$r/dev" ]; then :
elif grep -q ' /dev devtmpfs ' /proc/self/mounts && mount -t devtmpfs -o mode=0755,nosuid udev "$r/dev"; then
  mount -t devpts -o mode=0620,gid=5,nosuid,noexec devpts "$r/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$r/dev/shm"
else
  mount -t tmpfs -o mode=0755,nosuid tmpfs "$r/dev"
  for f in null zero full random urandom tty; do : >"$r/dev/$f"; mount --bind "/dev/$f" "$r/dev/$f"; done
  mkdir "$r/dev/pts" "$r/dev/shm"
  ln -s pts/ptmx "$r/dev/ptmx"; ln -s /proc/self/fd "$r/dev/fd"
  ln -s fd/0 "$r/dev/stdin"; ln -s fd/1 "$r/dev/stdout"; ln -s fd/2 "$r/dev/stderr"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec devpts "$r/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$r/dev/shm"
fi
on /tmp -t tmpfs -o mode=1777,strictatime,nodev,nosuid tmpfs "$r/tmp"
on /run --rbind /run "$r/run"
if [ -d /sys/firmware/efi/efivars ]; then on /sys/firmware/efi/efivars -t efivarfs -o nosuid,noexec,nodev efivarfs "$r/sys/firmware/efi/efivars"; fi`;

/**
 * The processes outside are not seen inside, whatever was mounted there before. The kit stands below /proc, and so does
 * not depend on what else the tree has.
 */
const OWN_PROC = `[ -d "$r/proc" ] || { echo "$r has no directory /proc" >&2; exit 1; }
mountpoint -q "$r" || mount --bind "$r" "$r"
mount -t proc -o nosuid,noexec,nodev proc "$r/proc"
mount --rbind ${ARTIFACTS_MOUNT} "$r${ARTIFACTS_MOUNT}"`;

/** The tree becomes the root of the mount namespace, and all other mounts leave it: not even root gets back out. */
const ROOT = `cd "$r"
in="exec chroot ."
if { [ -x bin/umount ] || [ -x sbin/umount ]; } && pivot_root . . 2>/dev/null; then umount -l .; cd /; in=exec; fi`;

async function refuseUnfit(parent: Connection, into: string, hop: string): Promise<void> {
  const place = shellQuote(into);
  const { stdout } = await resultOf(
    parent,
    `id -u; [ -d ${place} ] && echo there; [ -x ${place}/bin/sh ] && echo shell; uname`,
  );
  const [uid, ...facts] = stdout.split("\n");
  if (uid !== "0") throw new ConnectionFailed(hop, "it takes root; add via.sudo() before it");
  if (!facts.includes("there"))
    throw new ConnectionFailed(hop, `there is no directory ${into} on the machine before it`);
  if (!facts.includes("shell"))
    throw new ConnectionFailed(hop, `${into} has no /bin/sh: is a system installed there?`);
  if (!facts.includes("Linux")) throw new ConnectionFailed(hop, "it takes Linux");
}

interface Holder {
  readonly pid: string;
  /** Resolves when the mounts are gone. */
  release(): Promise<void>;
}

/** A process that holds the mounts for the hop's commands. It ends when its input does: with the hop, or the link. */
async function hold(parent: Connection, into: string, hop: string): Promise<Holder> {
  const script = `set -e; r=${shellQuote(into)}; ${MOUNTS}\necho "ready $(cut -d" " -f4 /proc/self/stat)"; exec cat >/dev/null`;
  const channel = await parent.exec(
    `exec unshare --mount --propagation private -- /bin/sh -c ${shellQuote(script)}`,
  );
  let complaint = "";
  channel.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const ended = channel.exit.then(
    () => {},
    () => {},
  );
  const pid = await new Promise<string>((settled, failed) => {
    let said = "";
    channel.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const ready = /ready (\d+)\n/.exec(said);
      if (ready?.[1]) settled(ready[1]);
    });
    void ended.then(() =>
      failed(new ConnectionFailed(hop, complaint.trim() || "its mounts could not be made")),
    );
  });
  const release = () => {
    channel.stdin.end();
    return ended;
  };
  return { pid, release };
}

const entering = (pid: string, into: string, command: string): string =>
  `exec nsenter --target ${pid} --mount --root -- chroot ${shellQuote(into)} /usr/bin/env -i ${ROOT_ENVIRONMENT} /bin/sh -c ${shellQuote(`cd 2>/dev/null || cd /; ${command}`)}`;
