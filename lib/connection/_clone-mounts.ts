/** Shell text that prints half of the memory that is available, as an option of tmpfs. */
const HALF = `while read -r k v _; do [ "$k" != MemAvailable: ] || echo "$((v / 2))k"; done </proc/meminfo`;

/**
 * Shell text that puts overlays over the local file systems, in a mount namespace of its own: what is changed below $d/root is in
 * $d/upper, and of further file systems in $d/upper.1 …, in memory, of which it may take half of what is available. $d is an
 * empty directory; $r becomes $d/root. `options`: of the overlays, each with a comma.
 */
export const overlays = (options = ""): string => `size=$(${HALF})
mount -t tmpfs -o "mode=0700,size=\${size:-50%}" consfigurator "$d"
mkdir "$d/upper" "$d/work" "$d/root"
mount -t overlay -o "${options}lowerdir=/,upperdir=$d/upper,workdir=$d/work" overlay "$d/root"
r=$d/root
n=0
while read -r _ m t _; do
  case $t in ext2|ext3|ext4|xfs|btrfs|zfs|f2fs) ;; *) continue ;; esac
  m=$(printf %b "$m")
  case $m in /|"$d"*|/run/*|/proc/*|/sys/*|/dev/*|/tmp/*) continue ;; esac
  n=$((n + 1)); mkdir "$d/upper.$n" "$d/work.$n"
  if [ -d "$m" ] && mount -t overlay -o "${options}lowerdir=$m,upperdir=$d/upper.$n,workdir=$d/work.$n" overlay "$r$m" 2>/dev/null; then
    printf %s "$m" >"$d/upper.$n.of"
  else mount --bind -o ro "$m" "$r$m" 2>/dev/null || ! mountpoint -q "$r$m"; fi
done </proc/self/mounts`;

/** Shell text that mounts a /dev below $r with the devices that harm nothing. */
export const DEVICES = `mount -t tmpfs -o mode=0755,nosuid tmpfs "$r/dev"
for f in null zero full random urandom tty; do : >"$r/dev/$f"; mount --bind "/dev/$f" "$r/dev/$f"; done
mkdir "$r/dev/pts" "$r/dev/shm"
ln -s pts/ptmx "$r/dev/ptmx"; ln -s /proc/self/fd "$r/dev/fd"
ln -s fd/0 "$r/dev/stdin"; ln -s fd/1 "$r/dev/stdout"; ln -s fd/2 "$r/dev/stderr"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec devpts "$r/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$r/dev/shm"`;

/** Shell text that gives $r a /run and a /tmp of its own; of /run it has what /etc/resolv.conf links to, with the text $resolv. */
export const RUN_AND_TMP = `mount -t tmpfs -o mode=0755,nosuid tmpfs "$r/run"; mkdir -p "$r/run/lock"
mount -t tmpfs -o mode=1777 tmpfs "$r/tmp"
link=$(readlink -m "$r/etc/resolv.conf" 2>/dev/null || true)
case $link in "$r"/run/*|/run/*) l=\${link#"$r"}; mkdir -p "$r\${l%/*}"; printf '%s\\n' "$resolv" >"$r$l" ;; esac`;
