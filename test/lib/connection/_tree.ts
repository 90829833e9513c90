/** A small Debian for the chroots and containers of tests, one release newer than the test machines. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { aptOptions } from "../../support/_base";
import { run, withLock } from "../../support/_run";
import { cacheDirectory } from "../../support/_slots";

const suite = "trixie";

const packages = [
  ...[
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "sudo",
    "opendoas",
    "openssh-client",
    "procps",
    "busybox-static",
  ],
];

/** Runs in the tree. /srv/inner is a system with only busybox. */
const customisation = `set -e
useradd --create-home --shell /bin/sh --uid 1234 guest
echo 'guest ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/guest
chmod 440 /etc/sudoers.d/guest
printf 'permit nopass root\\npermit nopass guest\\n' >/etc/doas.conf
cd /srv; mkdir inner; cd inner
mkdir -p bin dev etc home/guest proc root run sbin sys tmp usr/bin usr/sbin
cp /bin/busybox bin/; chroot . /bin/busybox --install -s
printf '%s\\n' root:x:0:0:root:/root:/bin/sh guest:x:1234:1234::/home/guest:/bin/sh >etc/passwd
printf '%s\\n' root:x:0: guest:x:1234: >etc/group
chown 1234:1234 home/guest; chmod 1777 tmp
systemctl -q mask console-getty.service getty@tty1.service systemd-networkd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
: >/etc/machine-id
# Host names are not looked up over the network.
sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
`;

const recipe = JSON.stringify([suite, packages, customisation, process.arch]);
const directory = path.join(
  cacheDirectory,
  `tree-${createHash("sha256").update(recipe).digest("hex").slice(0, 12)}`,
);

/** Returns its read-only directory, built once per recipe in less than a minute. */
export async function smallTree(): Promise<string> {
  if (existsSync(directory)) return directory;
  mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
  return withLock(path.join(cacheDirectory, "tree.lock"), async () => {
    if (existsSync(directory)) return directory;
    const building = mkdtempSync(path.join(cacheDirectory, "tree-building-"));
    try {
      const root = path.join(building, "root");
      const apt = (await aptOptions()).map((option) => `--aptopt=${option}`);
      const flags = ["--quiet", "--variant=minbase", "--mode=root", "--format=directory"];
      await run(["mmdebstrap", ...flags, `--include=${packages.join(",")}`, ...apt, suite, root]);
      await run(["chroot", root, "/bin/sh", "-c", customisation]);
      renameSync(root, directory);
      return directory;
    } finally {
      rmSync(building, { recursive: true, force: true });
    }
  });
}
