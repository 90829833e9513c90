/**
 * Emulated machines with disks of their own, for what containers cannot have: a kernel, LVM, LUKS, hibernation. The system is that of
 * `bootMachine`, copied onto a disk without a partition table; nothing can be downloaded there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import type { Hop } from "../../lib/model/hop";
import * as via from "../../lib/via";
import { type Exit, run, tryRun } from "./_run";
import { bootMachine, type Machine, writeKnownHosts } from "./machines";
import { until } from "./until";

export interface VirtualOptions {
  /** The sizes of further disks in MiB: /dev/vdb, /dev/vdc, … */
  readonly disks?: readonly number[];
  /** In MiB. Default: 768. */
  readonly memory?: number;
}

export interface Virtual {
  /** `via.ssh` to it, as root. */
  ssh(): Hop;
  exec(command: string): Promise<Exit>;
  /** Like `exec`, for a command that must succeed; returns its output. */
  run(command: string): Promise<string>;
  /** Resolves when the machine is off; `powerOn` starts it again. */
  untilOff(): Promise<void>;
  /** Boots its newest kernel and initramfs, with `more` arguments for the kernel, and waits for its sshd. */
  powerOn(more?: string): Promise<void>;
  /** Kills and removes it. */
  stop(): Promise<void>;
}

/** The same for all tests: to install them takes minutes. */
const PACKAGES = [
  ...["linux-image-amd64", "initramfs-tools", "lvm2", "cryptsetup", "fdisk", "dosfstools"],
  ...["grub2-common", "grub-pc-bin", "rsync"],
];

const PREPARED = `set -e
systemctl -q disable test-machine-network.service
printf '[Match]\\nName=e*\\n[Network]\\nAddress=10.0.2.15/24\\nGateway=10.0.2.2\\n' >/etc/systemd/network/10-all.network
systemctl -q enable systemd-networkd
systemctl -q mask systemd-networkd-wait-online
echo '/dev/vda / ext4 relatime 0 1' >/etc/fstab
printf 'MODULES=list\nCOMPRESS=gzip\n' >/etc/initramfs-tools/conf.d/small
printf '%s\n' virtio_pci virtio_blk ext4 crc32c >>/etc/initramfs-tools/modules
update-initramfs -u
sync`;

/** Boots a virtual machine, and waits for its sshd. It is removed with this process at the latest. */
export async function bootVirtual({ disks = [], memory = 768 }: VirtualOptions): Promise<Virtual> {
  const source = await bootMachine({ name: "web1", packages: PACKAGES });
  let machine: Qemu | undefined;
  try {
    const system = await systemOf(source);
    disks.forEach((size, at) => {
      const file = path.join(system.directory, `disk${at}`);
      writeFileSync(file, "");
      truncateSync(file, size * 1024 * 1024);
    });
    machine = new Qemu(source, system, disks.length, memory);
    await machine.powerOn();
    return machine;
  } catch (error) {
    await (machine ?? source).stop();
    throw error;
  }
}

interface System {
  readonly directory: string;
  readonly port: number;
  /** Of OpenSSH. */
  readonly config: string;
}

/** A disk with the system of `source`, beside that, and what is needed to reach it. */
async function systemOf(source: Machine): Promise<System> {
  await source.run(PREPARED);
  await source.powerOff();
  const directory = path.dirname(source.root);
  await run(["mke2fs", "-q", "-t", "ext4", "-d", source.root, path.join(directory, "system"), "4G"]);
  const port = await freePort();
  const [config, knownHosts] = [path.join(directory, "ssh_config"), path.join(directory, "virtual_hosts")];
  writeKnownHosts(knownHosts, source, [`[127.0.0.1]:${port}`]);
  writeFileSync(config, `Host *\n  UserKnownHostsFile ${knownHosts}\n  GlobalKnownHostsFile none\n`);
  return { directory, port, config };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

class Qemu implements Virtual {
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #printed = "";

  constructor(
    private readonly source: Machine,
    private readonly system: System,
    private readonly disks: number,
    private readonly memory: number,
  ) {}

  ssh(): Hop {
    const { port, config } = this.system;
    return via.ssh({ user: "root", hop: "127.0.0.1", port, identity: this.source.identity, config });
  }

  exec(command: string): Promise<Exit> {
    const { port, config } = this.system;
    const options = ["-F", config, "-i", this.source.identity, "-p", String(port), "-o", "BatchMode=yes"];
    return tryRun(["ssh", ...options, "-o", "ConnectTimeout=5", "root@127.0.0.1", command]);
  }

  async run(command: string): Promise<string> {
    const { exit, stdout, stderr } = await this.exec(command);
    if (exit === 0) return stdout;
    throw new Error(`${command}: exit code ${exit}: ${stderr}${stdout}`);
  }

  async powerOn(more = ""): Promise<void> {
    const image = path.join(this.system.directory, "system");
    const [kernel, initrd] = [await this.#newest("vmlinuz-"), await this.#newest("initrd.img-")];
    const drive = (name: string) => `file=${path.join(this.system.directory, name)},format=raw,if=virtio`;
    const extra = Array.from({ length: this.disks }, (_none, at) => ["-drive", drive(`disk${at}`)]);
    this.#printed = "";
    const process = spawn(
      "setpriv",
      [
        ...["--pdeathsig", "KILL", "qemu-system-x86_64"],
        // In a virtual machine, KVM may be there and not work.
        ...["-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-smp", "2"],
        ...["-m", String(this.memory), "-display", "none", "-serial", "stdio", "-no-reboot"],
        ...["-kernel", kernel, "-initrd", initrd, "-append", `root=/dev/vda ro console=ttyS0 ${more}`],
        ...["-drive", `file=${image},format=raw,if=virtio`, ...extra.flat()],
        ...["-netdev", `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${this.system.port}-:22`],
        ...["-device", "virtio-net-pci,netdev=net"],
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const keep = (piece: Buffer) => {
      this.#printed = `${this.#printed}${piece}`.slice(-20_000);
    };
    process.stdout.on("data", keep);
    process.stderr.on("data", keep);
    this.#process = process;
    this.#ended = once(process, "close");
    const isUp = async () => {
      if (process.exitCode !== null) throw new Error(`QEMU has ended: ${this.#printed.slice(-3000)}`);
      return (await this.exec("true")).exit === 0;
    };
    const saw = () => this.#printed.slice(-3000);
    await until("sshd in the virtual machine", isUp, { seconds: 240, saw });
  }

  /** A copy of the file in /boot with this prefix. */
  async #newest(prefix: string): Promise<string> {
    const image = path.join(this.system.directory, "system");
    const listed = await run(["debugfs", "-R", "ls -p /boot", image]);
    const names = [...listed.matchAll(/\/([^/\n]+)\/\d*\/$/gm)].map(([, name = ""]) => name);
    const name = names
      .filter((each) => each.startsWith(prefix))
      .sort()
      .at(-1);
    if (name === undefined) throw new Error(`no ${prefix} in /boot of the virtual machine`);
    const copy = path.join(this.system.directory, prefix);
    await run(["debugfs", "-R", `dump /boot/${name} ${copy}`, image]);
    return copy;
  }

  async untilOff(): Promise<void> {
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#ended;
    await this.source.stop();
  }
}
