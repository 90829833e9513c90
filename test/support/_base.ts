/** The Debian base system of every test machine: built once, kept on disk, never changed. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { run, withLock } from "./_run";
import { cacheDirectory, takenSlots } from "./_slots";

/** A Debian in `root`, and the private key for its users root, admin and plain. */
export interface Base {
  readonly directory: string;
  readonly root: string;
  readonly identity: string;
}

const suite = "bookworm";

const packages = [
  ...[
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "udev",
    "openssh-server",
    "sudo",
    "iproute2",
    "ca-certificates",
  ],
  ...["acl", "attr", "procps", "util-linux", "cron", "tzdata"],
];

/** Units that take locks and CPU time in the middle of a test. */
const masked = [
  ...[
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
  ],
  ...["logrotate.timer", "man-db.timer", "systemd-tmpfiles-clean.timer", "e2scrub_reap.service"],
  ...["console-getty.service", "getty@tty1.service", "systemd-pstore.service"],
];

/** Brings up the machine's network interface. Not a network manager, so that tests can install their own. */
const networkUnit = `[Unit]
Description=Address on the bridge of the test machines
DefaultDependencies=no
After=systemd-sysctl.service
Before=network-pre.target network.target
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/test-machine-network
ExecStart=/bin/sh -c "ip address add $ADDRESS dev host0; ip link set host0 mtu $MTU up; ip route add default via $GATEWAY"

[Install]
WantedBy=sysinit.target
`;

/** Runs in the new root file system, with the public key as its argument. */
const customisation = `
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
useradd --create-home --shell /bin/bash admin
useradd --create-home --shell /bin/bash plain
printf '%s:%s\\n' root root-password admin admin-password plain plain-password | chpasswd
echo 'admin ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
chmod 440 /etc/sudoers.d/admin
for user in root admin plain; do
  home=$(getent passwd $user | cut -d: -f6)
  mkdir -p $home/.ssh
  chmod 700 $home/.ssh
  echo "$1" > $home/.ssh/authorized_keys
  chmod 600 $home/.ssh/authorized_keys
  chown -R $user: $home/.ssh
done
rm -f /etc/ssh/ssh_host_*
systemctl -q mask ${masked.join(" ")}
cat > /etc/systemd/system/test-machine-network.service
systemctl -q enable test-machine-network.service
: > /etc/machine-id
`;

const recipe = JSON.stringify([suite, packages, customisation, networkUnit, process.arch]);
const recipeHash = createHash("sha256").update(recipe).digest("hex").slice(0, 12);

/** Debian mirrors drop superseded packages, so the package lists of the base must not grow old. */
const maximumAge = 3 * 24 * 3600_000;

/** The base, built (in half a minute) unless there is one for this recipe; other processes wait for the build. */
export function base(): Promise<Base> {
  found ??= findOrBuild();
  return found;
}

let found: Promise<Base> | undefined;

async function findOrBuild(): Promise<Base> {
  const current = newest();
  if (current !== undefined && isRecent(current)) return current;
  mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
  return withLock(path.join(cacheDirectory, "base.lock"), async () => {
    const existing = newest();
    if (existing !== undefined && isRecent(existing)) return existing;
    try {
      return await build();
    } catch (error) {
      if (existing === undefined) throw error;
      process.stderr.write(`cannot build a newer base for test machines, using the old one: ${error}\n`);
      return existing;
    } finally {
      removeUnused();
    }
  });
}

function newest(): Base | undefined {
  const name = baseNames()
    .filter((candidate) => candidate.startsWith(`base-${recipeHash}-`))
    .at(-1);
  return name === undefined ? undefined : baseAt(path.join(cacheDirectory, name));
}

/** Oldest first, by the time in the name. */
function baseNames(): string[] {
  if (!existsSync(cacheDirectory)) return [];
  return readdirSync(cacheDirectory)
    .filter((name) => /^base-[0-9a-f]{12}-\d+$/.test(name))
    .sort((one, other) => builtAt(one) - builtAt(other));
}

function builtAt(name: string): number {
  return Number(name.split("-").at(-1));
}

function baseAt(directory: string): Base {
  return { directory, root: path.join(directory, "root"), identity: path.join(directory, "identity") };
}

function isRecent({ directory }: Base): boolean {
  return Date.now() - builtAt(path.basename(directory)) < maximumAge;
}

/** Builds in a temporary directory, renamed when complete. */
async function build(): Promise<Base> {
  const building = baseAt(mkdtempSync(path.join(cacheDirectory, "building-")));
  try {
    const include = `--include=${packages.join(",")}`;
    const apt = (await aptOptions()).map((option) => `--aptopt=${option}`);
    const variant = ["--variant=minbase", "--mode=root", "--format=directory", "--skip=cleanup/apt/lists"];
    await run(["mmdebstrap", "--quiet", ...variant, include, ...apt, suite, building.root]);
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", building.identity]);
    const key = await run(["cat", `${building.identity}.pub`]);
    await run(["chroot", building.root, "sh", "-c", customisation, "sh", key.trim()], { input: networkUnit });
    copyFileSync(resolverFile(), path.join(building.root, "etc/resolv.conf"));
    const complete = path.join(cacheDirectory, `base-${recipeHash}-${Date.now()}`);
    renameSync(building.directory, complete);
    return baseAt(complete);
  } catch (error) {
    rmSync(building.directory, { recursive: true, force: true });
    throw error;
  }
}

/** Test machines reach Debian's archive with the apt settings of this computer. */
export async function aptOptions(): Promise<string[]> {
  const dump = await run(["apt-config", "dump"]);
  const relevant =
    /^Acquire::(?:(?:http|https)::(?:Proxy|Timeout)[^ ]*|Check-Valid-Until|Check-Date|Retries) ".+";$/;
  return ['Acquire::Languages "none"', ...dump.split("\n").filter((line) => relevant.test(line))];
}

/** Machines cannot reach a resolver on this computer's loopback: then this is the file with the real resolvers. */
export function resolverFile(): string {
  const real = "/run/systemd/resolve/resolv.conf";
  return existsSync(real) ? real : "/etc/resolv.conf";
}

/** Removes unused older bases, and partial builds of killed processes; the caller holds the lock. */
function removeUnused(): void {
  const used = new Set(takenSlots().map((slot) => slot.base));
  const older = baseNames().filter((name) => path.join(cacheDirectory, name) !== newest()?.directory);
  const partial = readdirSync(cacheDirectory).filter((name) => name.startsWith("building-"));
  for (const name of [...older, ...partial]) {
    const directory = path.join(cacheDirectory, name);
    if (!used.has(directory)) rmSync(directory, { recursive: true, force: true });
  }
}
