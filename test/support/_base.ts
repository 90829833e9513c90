/** The Debian base system of every test machine: built once, kept on disk, never changed. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { listedPackages, shortenPackageLists, wordsOfSources } from "./_package-lists";
import { removeDirectory } from "./_removal";
import { run, withLock } from "./_run";
import { cacheDirectory, takenSlots } from "./_slots";

/** A Debian in `root`, and the private key for its users root, admin and plain. */
export interface Base {
  readonly directory: string;
  readonly root: string;
  readonly identity: string;
  /** A file with the names of the packages of Debian that are not in its package lists. */
  readonly leftOut: string;
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
unset TMPDIR
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

/** What several tests install. What these packages need and recommend is most of the work, and seldom what is tested. */
const installedByTests = [
  ...["apache2", "certbot", "pebble", "postfix"],
  ...["postgresql", "postgresql-15", "postgresql-client", "postgresql-client-15", "postgresql-common"],
  ...["firewalld", "ufw", "iptables", "nftables", "fail2ban", "git", "unattended-upgrades", "needrestart"],
  ...["sbuild", "schroot", "piuparts", "adequate", "autopkgtest", "lintian", "debootstrap", "mmdebstrap"],
];

/** What a base has beyond the plain one. */
export interface Additions {
  /** Without what they recommend. */
  readonly packages?: readonly string[];
  /** Whether it has what `installedByTests` need and recommend, without these themselves. */
  readonly withDependencies?: boolean;
}

/** Begins the names of the bases with these additions. */
function prefixOf({ packages: extra = [], withDependencies = false }: Additions): string {
  const dependencies = withDependencies ? [DEPENDENCIES, installedByTests] : [];
  const recipe = JSON.stringify([
    ...[suite, packages, customisation, networkUnit, process.arch],
    ...extra,
    ...dependencies,
  ]);
  return `debian-${createHash("sha256").update(recipe).digest("hex").slice(0, 12)}-`;
}

/** Debian mirrors drop superseded packages, so the package lists of the base must not grow old. */
const maximumAge = 3 * 24 * 3600_000;

/**
 * The base, built (in half a minute) unless there is one for this recipe; other processes wait for the build. With
 * `additions` it is a copy of the plain one on which they are installed.
 */
export function base(additions: Additions = {}): Promise<Base> {
  const prefix = prefixOf(additions);
  const known = found.get(prefix) ?? findOrBuild(prefix, additions);
  found.set(prefix, known);
  return known;
}

const found = new Map<string, Promise<Base>>();

async function findOrBuild(prefix: string, additions: Additions): Promise<Base> {
  const current = newest(prefix);
  if (current !== undefined && isCurrent(current)) return current;
  const isPlain = prefix === prefixOf({});
  if (!isPlain) await base();
  mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
  return withLock(lockOf(prefix), async () => {
    const existing = newest(prefix);
    if (existing !== undefined && isCurrent(existing)) return existing;
    try {
      return await build(prefix, (building) =>
        isPlain ? install(building, existing) : extend(building, additions),
      );
    } catch (error) {
      if (existing === undefined) throw error;
      process.stderr.write(`cannot build a newer base for test machines, using the old one: ${error}\n`);
      return existing;
    } finally {
      removeUnused(prefix);
    }
  });
}

/** Bases of different recipes are built side by side. */
const lockOf = (prefix: string): string => path.join(cacheDirectory, `${prefix}lock`);

function newest(prefix: string): Base | undefined {
  const name = baseNames()
    .filter((candidate) => candidate.startsWith(prefix))
    .at(-1);
  return name === undefined ? undefined : baseAt(path.join(cacheDirectory, name));
}

/** Oldest first, by the time in the name. */
function baseNames(): string[] {
  if (!existsSync(cacheDirectory)) return [];
  return readdirSync(cacheDirectory)
    .filter((name) => /^debian-[0-9a-f]{12}-\d+$/.test(name))
    .sort((one, other) => builtAt(one) - builtAt(other));
}

function builtAt(name: string): number {
  return Number(name.split("-").at(-1));
}

function baseAt(directory: string): Base {
  const [root, identity, leftOut] = ["root", "identity", "left-out"].map((name) =>
    path.join(directory, name),
  );
  return { directory, root, identity, leftOut } as Base;
}

/** Not old, and with the packages that the sources name. */
function isCurrent({ directory, leftOut }: Base): boolean {
  if (Date.now() - builtAt(path.basename(directory)) >= maximumAge) return false;
  const words = wordsOfSources();
  return !readFileSync(leftOut, "utf8")
    .split("\n")
    .some((name) => words.has(name));
}

/** Builds in a temporary directory, renamed when complete. */
async function build(prefix: string, fill: (building: Base) => Promise<void>): Promise<Base> {
  const building = baseAt(mkdtempSync(path.join(cacheDirectory, `building-${prefix}`)));
  try {
    await fill(building);
    const complete = path.join(cacheDirectory, `${prefix}${Date.now()}`);
    renameSync(building.directory, complete);
    return baseAt(complete);
  } catch (error) {
    rmSync(building.directory, { recursive: true, force: true });
    throw error;
  }
}

/** Other checkouts, whose sources name other packages, may use the base, too: what `existing` has stays. */
async function install({ root, identity, leftOut }: Base, existing?: Base): Promise<void> {
  const include = `--include=${packages.join(",")}`;
  const apt = (await aptOptions()).map((option) => `--aptopt=${option}`);
  const variant = ["--variant=minbase", "--mode=root", "--format=directory", "--skip=cleanup/apt/lists"];
  // Its mounts end with it, however it ends.

  await run(["unshare", "--mount", "mmdebstrap", "--quiet", ...variant, include, ...apt, suite, root]);
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", identity]);
  const key = await run(["cat", `${identity}.pub`]);
  await run(["chroot", root, "sh", "-c", customisation, "sh", key.trim()], { input: networkUnit });
  copyFileSync(resolverFile(), path.join(root, "etc/resolv.conf"));
  const named = [...wordsOfSources(), ...(existing ? listedPackages(existing.root) : [])];
  writeFileSync(leftOut, shortenPackageLists(root, named).join("\n"));
}

/** Services that are installed this way are started when a machine boots. The directory of TMPDIR is not in the base. */
const EXTENDING = `set -e
unset TMPDIR
export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
mount -t proc proc /proc
apt-get -qq update
add() { apt-get -qqy -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"; }
`;

const PACKAGES = 'add "$@"';

/** Manual pages are not indexed again by each installation. */
const DEPENDENCIES = `echo man-db man-db/auto-update boolean false | debconf-set-selections
printf '%s\\n' "$@" >/tmp/named
needed=$(apt-get -s install "$@" | sed -n 's/^Inst \\([^ ]*\\) .*/\\1/p' | grep -vxF -f /tmp/named)
add $needed
apt-mark -qq auto $needed
rm -f /var/lib/man-db/auto-update
if dpkg-query -W -f '\${db:Status-Status} \${Package}\\n' | sed -n 's/^installed //p' | grep -xF -f /tmp/named; then exit 1; fi
rm /tmp/named`;

const EXTENDED = `
apt-get clean
rm /usr/sbin/policy-rc.d`;

async function extend({ directory, root }: Base, additions: Additions): Promise<void> {
  const plain = prefixOf({});
  // No other process removes it meanwhile because it has built a newer one.
  await withLock(lockOf(plain), async () => {
    await run(["cp", "-a", `${newest(plain)?.directory}/.`, directory]);
  });
  const { packages: extra = [], withDependencies } = additions;
  // Its mounts end with it.
  const add = (script: string, names: readonly string[]) =>
    run(["unshare", "--mount", "chroot", root, "sh", "-c", EXTENDING + script + EXTENDED, "sh", ...names]);
  if (withDependencies) await add(DEPENDENCIES, installedByTests);
  if (extra.length > 0) await add(PACKAGES, extra);
}

/** Test machines reach Debian's archive with the apt settings of this computer. */
export async function aptOptions(): Promise<string[]> {
  const dump = await run(["apt-config", "dump"]);
  const relevant =
    /^Acquire::(?:(?:http|https)::(?:Proxy|Timeout)[^ ]*|Check-Valid-Until|Check-Date|Retries) ".+";$/;
  // As properties/_aptGet.ts says.
  return [
    'Acquire::Languages "none"',
    'Acquire::Retries::Delay "false"',
    ...dump.split("\n").filter((line) => relevant.test(line)),
  ];
}

/** Machines cannot reach a resolver on this computer's loopback: then this is the file with the real resolvers. */
export function resolverFile(): string {
  const real = "/run/systemd/resolve/resolv.conf";
  return existsSync(real) ? real : "/etc/resolv.conf";
}

/**
 * Removes unused bases that have a newer one, or are old and of a recipe other than that of `prefix` and the plain one, and
 * what killed processes have built of it; the caller holds its lock.
 */
function removeUnused(prefix: string): void {
  const used = new Set(takenSlots().map((slot) => slot.base));
  const names = baseNames();
  const older = names.filter((name, index) => {
    const isOfSameRecipe = (other: string) => other.startsWith(name.replace(/\d+$/, ""));
    const isNeeded = [prefix, prefixOf({})].some((recipe) => name.startsWith(recipe));
    return (
      names.slice(index + 1).some(isOfSameRecipe) || (!isNeeded && Date.now() - builtAt(name) > maximumAge)
    );
  });
  const partial = readdirSync(cacheDirectory).filter((name) => name.startsWith(`building-${prefix}`));
  for (const name of [...older, ...partial]) {
    const directory = path.join(cacheDirectory, name);
    if (!used.has(directory)) removeDirectory(directory);
  }
}
