/** A machine with every context that a hop can enter, and the hops to enter them. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { spawned } from "../../../lib/connection/local";
import type { Connection } from "../../../lib/model/connection";
import type { Hop } from "../../../lib/model/hop";
import * as via from "../../../lib/via";
import { containerNspawn, containerPackages, START_DAEMONS, stopDaemons } from "../../support/containers";
import { limit } from "../../support/load";
import { bootMachine, type Machine } from "../../support/machines";
import { smallTree } from "./_tree";

/** The end of a chain of hops: its system and its user. */
export interface Endpoint {
  readonly user: string;
  readonly home: string;
  /**
   * The test machine with or without its network; the small Debian without or with its systemd; a bare busybox; a clone of
   * this computer.
   */
  readonly system: "machine" | "netns" | "tree" | "booted" | "busybox" | "clone";
}

/** A hop and its endpoint. */
export interface Step {
  readonly name: string;
  readonly hop: (contexts: Contexts) => Hop;
  readonly to: Endpoint;
}

/** The start of a chain: the user and system before it, and its first hops. */
export interface Start {
  readonly name: string;
  readonly from: "here" | "root" | "admin";
  readonly hops: (contexts: Contexts) => readonly Hop[];
  readonly to: Endpoint;
}

export interface Contexts {
  readonly machine: Machine;
  /** An OpenSSH client configuration, on this computer, that knows the machine. */
  readonly config: string;
  stop(): Promise<void>;
}

/** The name of the host in all chains. */
export const HOST = "conformance.test";

const root = (system: Endpoint["system"]): Endpoint => ({ user: "root", home: "/root", system });
const plainUser = { machine: "admin", netns: "admin", tree: "guest", booted: "guest", busybox: "guest" };
const plainUserOf = (system: keyof typeof plainUser): Endpoint => {
  const user = plainUser[system];
  return { user, home: `/home/${user}`, system };
};

/** Every hop at the end of the shortest possible chain. */
export const starts: readonly Start[] = [
  start("via.sandbox", "here", { ...root("clone"), home: process.env["HOME"] ?? "/root" }, () => [
    via.sandbox({ name: `conformance-${process.pid}` }),
  ]),
  start("via.ssh", "here", root("machine"), ({ machine, config }) => [
    via.ssh({ user: "root", hop: machine.address, config, identity: machine.identity }),
  ]),
  start("via.sudo", "admin", root("machine"), () => [via.sudo()]),
  start("via.doas", "admin", root("machine"), () => [via.doas()]),
  start("via.nsenter", "root", root("machine"), () => [via.nsenter({ pid: 1 })]),
  start("via.rehome", "root", { ...root("machine"), home: "/tmp" }, () => [via.rehome("/tmp")]),
  start("via.shellWrap", "root", root("netns"), () => [via.shellWrap("ip", "netns", "exec", "blue")]),
  start("via.su", "root", plainUserOf("machine"), () => [via.su("admin")]),
  start("via.as", "root", plainUserOf("machine"), () => [via.as("admin")]),
  start("via.chroot", "root", root("tree"), () => [via.chroot("/srv/chroot")]),
  start("via.systemdMachined", "root", root("booted"), () => [via.systemdMachined("nested")]),
  start("via.run0", "root", root("booted"), () => [via.systemdMachined("nested"), via.run0()]),
  start("via.lxc", "root", root("tree"), () => [via.lxc("box")]),
  start("via.podman", "root", root("tree"), () => [via.podman("box")]),
  start("via.docker", "root", root("busybox"), () => [via.docker("box")]),
  start("via.podman of a user", "root", root("busybox"), () => [via.as("plain"), via.podman("own")]),
  start("via.lxc of a user", "root", root("busybox"), () => [via.as("plain"), via.lxc("own")]),
];

function start(name: string, from: Start["from"], to: Endpoint, hops: Start["hops"]): Start {
  return { name, from, to, hops };
}

export const endOf = ({ user, system }: Endpoint): string => `${user} in ${system}`;

/**
 * Chains of two hops: every hop that makes sense as root on the machine, and every second one at each other end of a first
 * hop. Which of the first hops that end there comes first takes turns. With `all`, every hop that makes sense after each.
 */
export function pairs(all: boolean): [Start, Step][] {
  const byEnd = Object.values(Object.groupBy(starts, ({ to }) => endOf(to)));
  return byEnd.flatMap((alike = []) => {
    const turns = alike.map((start) => nextSteps(start.to));
    const longest = Math.max(...turns.map((steps) => steps.length));
    return Array.from({ length: longest }, (_, n) => n).flatMap((n) =>
      alike.flatMap((start, turn): [Start, Step][] => {
        const step = turns[turn]?.[n];
        const chosen = n % alike.length === turn && (n % 2 === 0 || endOf(start.to) === "root in machine");
        return step && (all || chosen) ? [[start, step]] : [];
      }),
    );
  });
}

/** Every hop that makes sense after `endpoint`. */
export function nextSteps(endpoint: Endpoint): Step[] {
  const { user, system } = endpoint;
  const onMachine = system === "machine" || system === "netns";
  const step = (name: string, to: Endpoint, hop: Step["hop"]): Step => ({ name, to, hop });
  const steps = [
    step("via.rehome", { ...endpoint, home: "/tmp" }, () => via.rehome("/tmp")),
    step("via.shellWrap", endpoint, () => via.shellWrap("env", "WRAPPED=1")),
  ];
  // This computer is only known to be a Debian.
  if (system === "clone") return [...steps, step("via.nsenter", endpoint, () => via.nsenter({ pid: 1 }))];
  const plain = plainUserOf(system);
  // netns has no network, busybox no ssh.
  if (system !== "netns" && system !== "busybox")
    steps.push(step("via.ssh", root("machine"), () => via.ssh({ user: "root", hop: "127.0.0.1" })));
  if (user !== "root") {
    const above = root(system);
    return [...steps, step("via.sudo", above, () => via.sudo()), step("via.doas", above, () => via.doas())];
  }
  steps.push(
    step("via.su", plain, () => via.su(plain.user)),
    step("via.as", plain, () => via.as(plain.user)),
  );
  if (system === "busybox") return steps;
  steps.push(
    step("via.sudo", plain, () => via.sudo({ user: plain.user })),
    step("via.doas", plain, () => via.doas({ user: plain.user })),
    onMachine
      ? step("via.chroot", root("tree"), () => via.chroot("/srv/chroot"))
      : step("via.chroot", root("busybox"), () => via.chroot("/srv/inner")),
    step("via.nsenter", root(onMachine ? "machine" : system), () => via.nsenter({ pid: 1 })),
  );
  if (system === "booted") steps.push(step("via.run0", plain, () => via.run0({ user: plain.user })));
  if (onMachine)
    steps.push(
      step("via.systemdMachined", root("booted"), () => via.systemdMachined("nested")),
      step("via.docker", root("busybox"), () => via.docker("box")),
    );
  // Not after `ip netns exec`, which hides the control groups that these need.
  if (system === "machine")
    steps.push(
      step("via.lxc", root("tree"), () => via.lxc("box")),
      step("via.podman", root("tree"), () => via.podman("box")),
    );
  return steps;
}

/** A shell in the machine, independent of the hops. */
export function shellIn({ leader }: Machine, user: "root" | "admin" | "plain"): Connection {
  const home = user === "root" ? "/root" : `/home/${user}`;
  const become = user === "root" ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];
  const words = ["--all", "--root", "--wd", "--target", String(leader), "--", "env", "-i", `HOME=${home}`];
  return {
    description: `a shell of ${user}`,
    alive: true,
    closed: new Promise(() => {}),
    exec: (command) =>
      spawned("nsenter", [...words, `PATH=${searchPath}`, ...become, "/bin/sh", "-c", command], "nsenter"),
    close: async () => {},
  };
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Boots the machine, and starts all contexts in it. */
export async function bootContexts(): Promise<Contexts> {
  const machine = await bootMachine({
    name: "hops",
    packages: containerPackages,
    nspawn: [...containerNspawn, `--bind-ro=${await smallTree()}:/srv/tree`],
  });
  const directory = mkdtempSync(path.join(tmpdir(), "consfig-hops-"));
  const stop = async () => {
    await machine.exec(UNDO);
    await machine.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const known = path.join(directory, "known_hosts");
    const names = [machine.address, HOST];
    writeFileSync(known, names.map((name) => `${name} ${machine.hostKey}\n`).join(""));
    const config = path.join(directory, "config");
    writeFileSync(config, `UserKnownHostsFile ${known}\nGlobalKnownHostsFile none\nIdentityAgent none\n`);
    writeFileSync(path.join(machine.root, "root/known_hosts"), `${HOST},127.0.0.1 ${machine.hostKey}\n`);
    writeFileSync(path.join(machine.root, "root/id_ed25519"), readFileSync(machine.identity), {
      mode: 0o600,
    });
    await machine.run(START_DAEMONS, { timeout: limit(60) });
    await machine.run(PREPARE);
    await Promise.all(
      [NESTED, LXC, PODMAN, DOCKER, OWN].map((script) => machine.run(script, { timeout: limit(60) })),
    );
    return { machine, config, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A writable tree for each context, and keys for every account to log in to the machine. */
const PREPARE = `set -e
keys() { mkdir -p $1/.ssh; chmod 700 $1/.ssh; cp /root/known_hosts /root/id_ed25519 $1/.ssh/; chown -R $2 $1/.ssh; }
tree() {
  mkdir -p /run/trees/$1/upper /run/trees/$1/work $2
  mount -t overlay -o lowerdir=/srv/tree,upperdir=/run/trees/$1/upper,workdir=/run/trees/$1/work overlay $2
  keys $2/root 0:0; keys $2/home/guest 1234:1234
}
tree chroot /srv/chroot
tree nested /var/lib/machines/nested
tree lxc /srv/lxc
tree podman /srv/podman
printf '[storage]\\ndriver = "vfs"\\nrunroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers/storage"\\n' >/etc/containers/storage.conf
keys /root 0:0; keys /home/admin admin:admin
rm /root/known_hosts /root/id_ed25519
printf 'permit nopass root\\npermit nopass admin\\n' >/etc/doas.conf
echo 'plain ALL=(ALL:ALL) ALL' >/etc/sudoers.d/plain; chmod 440 /etc/sudoers.d/plain
ip netns add blue
loginctl enable-linger plain`;

const NESTED = `set -e
systemd-run -q --unit=nested --collect systemd-nspawn --quiet --keep-unit --boot --machine=nested --directory=/var/lib/machines/nested \\
  --private-users=no --link-journal=no --resolv-conf=off --timezone=off
for i in $(seq 200); do
  leader=$(machinectl show nested --property=Leader --value 2>/dev/null) &&
    nsenter -t $leader --all -- systemctl is-active -q dbus systemd-logind 2>/dev/null && exit 0
  sleep 0.1
done
echo "the nested machine did not start"; exit 1`;

const LXC = `set -e
mkdir -p /var/lib/lxc/box
printf '%s\\n' 'lxc.uts.name = box' 'lxc.rootfs.path = dir:/srv/lxc' 'lxc.net.0.type = none' \\
  'lxc.mount.auto = proc:mixed sys:mixed' 'lxc.apparmor.profile = unconfined' >/var/lib/lxc/box/config
lxc-execute -n box -d -- sleep infinity
lxc-wait -n box -s RUNNING -t 20`;

const PODMAN = `podman --log-level=error --cgroup-manager=cgroupfs run -d --cgroups=disabled --privileged --network=host --name box --rootfs /srv/podman sleep infinity`;

const DOCKER = `set -e
tar -C /srv/tree/srv/inner -c . | docker import - busybox
docker run -d --network=none --name box busybox sleep 1000000`;

/** Containers of the user plain. */
const OWN = `set -e
for i in $(seq 100); do [ -S /run/user/$(id -u plain)/systemd/private ] && break; sleep 0.1; done
home=/home/plain; lxc=$home/.local/share/lxc/own; first=$(sed -n 's/^plain:\\([0-9]*\\):.*/\\1/p' /etc/subuid)
mkdir -p $lxc $home/pod $home/lxc
cp -a /srv/tree/srv/inner/. $home/pod; cp -a /srv/tree/srv/inner/. $home/lxc
printf '%s\\n' 'lxc.uts.name = own' "lxc.rootfs.path = dir:$home/lxc" 'lxc.net.0.type = none' "lxc.idmap = u 0 $first 65536" \\
  "lxc.idmap = g 0 $first 65536" 'lxc.mount.auto = proc:rw' 'lxc.apparmor.profile = unconfined' >$lxc/config
chown -R plain: $home/.local $home/pod; chmod 711 $home
# ID 1 inside is the first ID of plain's range outside.
chown $((first + 1233)):$((first + 1233)) $home/pod/home/guest
find $home/lxc -exec sh -c 'for f; do chown -h $(($(stat -c %u "$f") + $0)):$(($(stat -c %g "$f") + $0)) "$f"; done' $first {} +
chmod 1777 $home/lxc/tmp
run=/run/user/$(id -u plain)
as="setpriv --reuid=plain --regid=plain --init-groups env -i HOME=$home PATH=$PATH XDG_RUNTIME_DIR=$run DBUS_SESSION_BUS_ADDRESS=unix:path=$run/bus"
cd $home
$as podman --log-level=error --cgroup-manager=cgroupfs run -d --cgroups=disabled --network=host --name own --rootfs $home/pod sleep infinity
$as systemd-run --user --scope --quiet --property=Delegate=yes lxc-execute -n own -d -- sleep 1000000`;

const UNDO = stopDaemons(
  "docker rm -f box; lxc-stop -k -n box; podman rm -f -t 0 box; machinectl terminate nested",
);
