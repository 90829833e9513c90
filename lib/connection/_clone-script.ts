import { CLONE_PROGRAMS, ROOT_PATH } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { DEVICES, overlays, RUN_AND_TMP } from "./_clone-mounts";

/** Programs that download: run by root, they use the network of the machine, except for addresses of the clone itself. */
const DOWNLOADERS = ["apt-get", "apt", "git", "curl", "wget"];

const PATH = `${CLONE_PROGRAMS}:${ROOT_PATH}`;

/** Words before a command that may not change what the clone shares with the machine: modules, clock and memory of the kernel. */
export const NO_KERNEL = "setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio --";

/** In a clone in which systemd is booted. */
const BOOTS = "/run/consfigurator/boots";

/** Shell text that becomes the process 1 `command`, and says that it can be entered once it has the environment of that. */
const become = (variables: string, command: string): string => {
  const clean = `env -i ${variables}PATH=${PATH}`;
  return `exec ${clean} sh -c ${shellQuote(`echo "ready $0"; exec ${NO_KERNEL} ${clean} ${command} </dev/null >/dev/null 2>&1`)} "$pid"`;
};

/**
 * Starts the clone, and ends it at the end of its input. All that it makes outside of the clone is an empty directory below
 * /run and one for each hierarchy of cgroups; what was left of a killed one is removed by the next.
 */
const HOLD = `umask 077
ungroup() { find "$@" -depth -type d -delete 2>/dev/null; }
for old in /run/consfigurator/clone.*; do
  [ -d "$old" ] || continue
  p=\${old##*.}
  kill -0 "$p" 2>/dev/null || { ungroup /sys/fs/cgroup/consfigurator-clone.$p /sys/fs/cgroup/*/consfigurator-clone.$p; rmdir "$old" 2>/dev/null; }
done
d=/run/consfigurator/clone.$$ g=
mkdir -p "$d" || exit
for c in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  [ -f "$c/cgroup.procs" ] && mkdir "$c/consfigurator-clone.$$" 2>/dev/null && g="$g $c/consfigurator-clone.$$"
done
exec 3<&0
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL --propagation private /bin/sh -c "$FILES" sh "$d" "$g" </dev/null &
u=$!
trap 'kill -9 $u 2>/dev/null' HUP INT TERM
{ cat <&3; kill -9 $u; } >/dev/null 2>&1 &
c=$!
while kill -0 $u 2>/dev/null; do wait $u; done
kill $c 2>/dev/null
for each in $g; do n=0; while ungroup "$each"; [ -d "$each" ] && [ $((n += 1)) -le 50 ]; do sleep 0.1; done; done
rmdir "$d" /run/consfigurator 2>/dev/null
exit 1`;

/**
 * In a mount and a process namespace of its own, as its process 1: the overlays over the local file systems. The process before
 * it stays in that mount namespace, where the files of the machine are at their paths, and the layers in $d.
 */
const FILES = `set -e
umask 022
d=$1
pid=$(cut -d" " -f4 /proc/self/stat)
for each in $2; do echo 0 >"$each/cgroup.procs"; done
${overlays("nodev,")}
: >"$d/network"; mount --bind /proc/self/ns/net "$d/network"
exec unshare --mount --uts --ipc --net --cgroup /bin/sh -c "$BOOT" sh "$d" "$pid"`;

/** With a network and a further mount namespace of its own: what is not on disks, then the system, if it is systemd. */
const BOOT = `set -e
d=$1 pid=$2 r=$1/root
resolv=$(cat /etc/resolv.conf 2>/dev/null || true)
mount -t proc -o nosuid,noexec,nodev proc "$r/proc"
mount --bind "$r/proc/sys" "$r/proc/sys"; mount -o remount,bind,ro "$r/proc/sys"
mount --bind "$r/proc/sys/net" "$r/proc/sys/net"; mount -o remount,bind,rw "$r/proc/sys/net"
mount -t sysfs -o ro,nosuid,noexec,nodev sysfs "$r/sys"
boots=yes
mount -t cgroup2 cgroup2 "$r/sys/fs/cgroup" 2>/dev/null || boots=
${DEVICES}
${RUN_AND_TMP}
[ ! -d "$r/var/log/journal" ] || mount -t tmpfs -o mode=2755 tmpfs "$r/var/log/journal"
mkdir -p "$r${CLONE_PROGRAMS}"
: >"$r/run/consfigurator/network"; mount --bind "$d/network" "$r/run/consfigurator/network"
for n in ${DOWNLOADERS.join(" ")}; do
  for p in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    [ -x "$r$p/$n" ] || continue
    printf '%s\\n' '#!/bin/sh' 'case $(id -u)" $*" in 0*localhost*|0*127.*|0*::1*) ;; 0*) set -- nsenter --net=/run/consfigurator/network '"$p/$n"' "$@"; exec "$@" ;; esac' "exec $p/$n "'"$@"' >"$r${CLONE_PROGRAMS}/$n"
    chmod 755 "$r${CLONE_PROGRAMS}/$n"
    break
  done
done
cd "$r"
pivot_root . .
umount -l .
cd /
if [ -n "$boots" ] && [ -x /lib/systemd/systemd ]; then
  : >${BOOTS}
  ${become("container=systemd-nspawn ", "/lib/systemd/systemd --log-target=null")}
fi
ip link set lo up 2>/dev/null || true
printf '#!/bin/sh\\nexit 101\\n' >/run/consfigurator/policy-rc.d; chmod 755 /run/consfigurator/policy-rc.d
: >>/usr/sbin/policy-rc.d; mount --bind /run/consfigurator/policy-rc.d /usr/sbin/policy-rc.d
${become("", 'sh -c "while :; do sleep 86400; done"')}`;

/** Shell text that clones the machine until the end of its input. It prints "ready PID" when the clone can be entered. */
export const holdClone = `export FILES=${shellQuote(FILES)} BOOT=${shellQuote(BOOT)}\n${HOLD}`;

/**
 * Shell text that waits, inside, for the system to be up, and prints its state and the units that failed; nothing without
 * systemd.
 */
export const AWAIT_SYSTEM = `[ -e ${BOOTS} ] || exit 0
n=0; until s=$(systemctl is-system-running 2>/dev/null); [ "$s" = running ] || [ "$s" = degraded ] || [ $((n += 1)) -gt 300 ]; do sleep 0.1; done
echo "$s"; systemctl --failed --plain --no-legend | cut -d" " -f1`;

/** Shell text that enters the mount namespace outside of the clone with the process 1 `pid`, and runs `command` with $0: its $d. */
export const enterOutside = (pid: number, command: string): string =>
  `parent() { sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status"; }
u=$(parent ${pid}) && h=$(parent "$u") && [ -n "$h" ] || exit
exec nsenter --target "$u" --mount -- /bin/sh -c ${shellQuote(command)} "/run/consfigurator/clone.$h"`;
