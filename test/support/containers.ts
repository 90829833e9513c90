/** Test machines with Docker and Podman. */

/** What has containers, and what the other hops need: one base for all tests. */
export const containerPackages = [
  ...["systemd-container", "lxc", "podman", "crun", "uidmap", "docker.io", "opendoas", "gnupg", "openssl"],
];

/** Options of systemd-nspawn for machines in which containers run. */
export const containerNspawn = [
  ...["--capability=all", "--system-call-filter=@mount @keyring bpf", "--bind=/dev/fuse"],
];

/** The daemons of containers need control groups that they may write to. */
export const START_DAEMONS = `set -e
for c in /sys/fs/cgroup/*; do mount -o remount,bind,rw $c 2>/dev/null || :; done
systemctl stop docker.socket docker containerd
systemctl reset-failed
systemctl start containerd docker`;

/** Removes control groups: they belong to this computer, and would outlive the machine. Begins with the shell text `before`. */
export const stopDaemons = (before: string): string => `exec 2>/dev/null
${before}; systemctl stop docker.socket docker containerd
for i in $(seq 20); do
  find /sys/fs/cgroup/*/docker /sys/fs/cgroup/*/lxc.* -depth -type d -exec rmdir {} +
  ls -d /sys/fs/cgroup/*/docker /sys/fs/cgroup/*/lxc.* || exit 0
  sleep 0.1
done`;
