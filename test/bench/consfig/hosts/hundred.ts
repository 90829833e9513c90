import { defhost, type PropApp } from "consfigurator";
import { apt, file, os, systemd, timezone, user } from "consfigurator/properties";

/** A hundred properties, in the proportions of a typical server. */
export const hundred = defhost(
  "hundred.example.org",
  os.debianStable("bookworm", "amd64"),
  timezone.configured("Etc/UTC"),
  ...["acl", "attr", "ca-certificates", "cron", "dbus", "iproute2", "procps", "sudo", "tzdata", "udev"].map(
    (name) => apt.installed(name),
  ),
  ...numbered(8, (n) => user.hasAccount(`person${n}`)),
  ...numbered(4, (n) => user.hasLoginShell(`person${n}`, "/bin/bash")),
  systemd.started("cron"),
  systemd.enabled("cron"),
  ...numbered(8, (n) => file.directoryExists(`/srv/site${n}`)),
  ...numbered(26, (n) => file.hasContent(`/etc/bench.d/${n}.conf`, [`number = ${n}`, "kind = bench"])),
  ...numbered(16, (n) => file.containsLines("/etc/hosts", `192.0.2.${n} machine${n}.example.org`)),
  ...numbered(16, (n) => file.containsConfEquals("/etc/sysctl.d/10-bench.conf", `bench.setting${n}`, `${n}`)),
  ...numbered(8, (n) => file.hasMode(`/etc/bench.d/${n}.conf`, 0o640)),
);

function numbered(count: number, make: (n: number) => PropApp): PropApp[] {
  return Array.from({ length: count }, (_, index) => make(index + 1));
}
