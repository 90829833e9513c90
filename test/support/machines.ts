/**
 * Real Debian hosts for tests, with systemd as process 1, sshd and apt, on their own bridge, booted in about a second.
 * Each is a container whose disk is an overlay over one base system. See README.md beside this file.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Base, base } from "./_base";
import { makeDisk, type Placement } from "./_disk";
import { networkUp } from "./_network";
import type { Exit, RunOptions } from "./_run";
import { reapSlots, releaseSlot, takeSlot } from "./_slots";
import { runBy, Starter } from "./_starter";
import { Supervisor } from "./_supervisor";
import { machineSupport } from "./_support";
import { limit } from "./load";

export type { Exit } from "./_run";
export { type MachineSupport, machineSupport, needsMachines, needsMachinesForLong } from "./_support";

/** The accounts of every machine. All accept the machine's `identity`; admin may use sudo without a password. */
export const passwords = { root: "root-password", admin: "admin-password", plain: "plain-password" } as const;

export interface MachineOptions {
  /** The host name; `t17` or similar by default. */
  readonly name?: string;
  /** Packages that are installed before it boots. Files that need the same ones share their installation. */
  readonly packages?: readonly string[];
  /** What the packages that tests install depend on and recommend is installed before it boots: see `_base.ts`. */
  readonly withDependencies?: boolean;
  /** Memory limit of the machine, in bytes. */
  readonly memoryLimit?: number;
  /** Disk space of the machine, in bytes. */
  readonly diskLimit?: number;
  /** Further arguments for systemd-nspawn, such as `--capability=all`. */
  readonly nspawn?: readonly string[];
}

export interface ExecOptions extends RunOptions {
  /** The account that the command runs as, in its home directory; root by default. */
  readonly user?: string;
}

export interface Machine extends AsyncDisposable {
  readonly name: string;
  /** Its IPv4 address, reachable from here and from other machines. */
  readonly address: string;
  readonly port: 22;
  /** Its root directory as seen from here. Without the mounts of the machine itself: /proc, /dev, /run. */
  readonly root: string;
  /** The upper directory of its overlay: exactly the files that differ from the base system. */
  readonly upper: string;
  readonly base: string;
  /** A file with the private key for the accounts root, admin and plain. */
  readonly identity: string;
  /** A known_hosts file with the machine's address and host key. */
  readonly knownHosts: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  /** Arguments for OpenSSH commands: the identity and host key above, without the user's configuration. */
  readonly sshOptions: readonly string[];
  /** The pid of the machine's process 1 on this computer; a new one after a reboot. */
  readonly leader: number;

  /** Runs a shell command in the machine, not through ssh, and returns its outcome. */
  exec(command: string, options?: ExecOptions): Promise<Exit>;
  /** Like `exec`, for a command that must succeed; returns its standard output. */
  run(command: string, options?: ExecOptions): Promise<string>;
  /** Resolves when sshd accepts connections. */
  waitForSsh(): Promise<void>;
  /** Reboots and waits for sshd. */
  reboot(): Promise<void>;
  /** Resolves when a reboot started by something else is complete and sshd accepts connections. */
  waitForReboot(formerLeader: number): Promise<void>;
  /** Shuts down cleanly. The disk stays; `powerOn` starts the machine again. */
  powerOff(): Promise<void>;
  /** Kills the machine without a shutdown. The disk stays; `powerOn` starts the machine again. */
  cutPower(): Promise<void>;
  powerOn(): Promise<void>;
  /** Stops and removes the machine. */
  stop(): Promise<void>;
}

/** For hooks that boot machines with dependencies: their base may have to be built first. */
export const untilBaseIsBuilt = { timeout: limit(900) };

/** Boots a machine and waits for its sshd. It is removed with this process at the latest. */
export async function bootMachine(options: MachineOptions = {}): Promise<Machine> {
  const support = machineSupport();
  if (!support.available) throw new Error(support.reason);
  reaped ??= reapSlots();
  await reaped;
  const from = await base(options);
  const slot = takeSlot();
  try {
    const placement = await makeDisk(slot, from, options);
    await networkUp();
    const machine = new NspawnMachine(placement, from, options);
    await machine.powerOn();
    return machine;
  } catch (error) {
    await releaseSlot(slot.number);
    throw error;
  }
}

/** Boots several machines in parallel. When one cannot boot, all are removed. */
export async function bootMachines(count: number, options: MachineOptions = {}): Promise<Machine[]> {
  const booting = await Promise.allSettled(Array.from({ length: count }, () => bootMachine(options)));
  const machines = booting.flatMap((boot) => (boot.status === "fulfilled" ? boot.value : []));
  const failed = booting.find((boot) => boot.status === "rejected");
  if (failed === undefined) return machines;
  await Promise.all(machines.map((machine) => machine.stop()));
  throw failed.reason;
}

/** Writes a known_hosts file for `machine` under other names, such as `[127.0.0.1]:2222`. */
export function writeKnownHosts(file: string, machine: Machine, names: readonly string[]): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, names.map((name) => `${name} ${machine.hostKey}\n`).join(""));
}

let reaped: Promise<void> | undefined;

class NspawnMachine implements Machine {
  readonly name: string;
  readonly address: string;
  readonly port = 22;
  readonly root: string;
  readonly upper: string;
  readonly base: string;
  readonly identity: string;
  readonly knownHosts: string;
  readonly hostKey: string;
  readonly #supervisor: Supervisor;
  readonly #slot: number;
  #starter: { readonly leader: number; readonly by: Starter } | undefined;

  constructor(placement: Placement, from: Base, options: MachineOptions) {
    this.#slot = placement.slot.number;
    this.name = placement.name;
    this.address = placement.address;
    this.root = placement.root;
    this.upper = placement.upper;
    this.base = from.root;
    this.identity = from.identity;
    this.hostKey = placement.hostKey;
    this.knownHosts = path.join(placement.slot.directory, "known_hosts");
    writeKnownHosts(this.knownHosts, this, [this.address]);
    this.#supervisor = new Supervisor(placement, options.nspawn ?? [], options.memoryLimit);
  }

  get sshOptions(): readonly string[] {
    const options = [
      `UserKnownHostsFile=${this.knownHosts}`,
      "GlobalKnownHostsFile=/dev/null",
      "IdentitiesOnly=yes",
    ];
    return [
      "-F",
      "none",
      "-i",
      this.identity,
      ...[...options, "BatchMode=yes"].flatMap((option) => ["-o", option]),
    ];
  }

  get leader(): number {
    const leader = this.#supervisor.leader();
    if (leader === undefined) throw new Error(`test machine ${this.name} is not running`);
    return leader;
  }

  async exec(command: string, options: ExecOptions = {}): Promise<Exit> {
    const { user } = options;
    const shell =
      user === undefined ? ["sh", "-c", `cd; ${command}`] : ["runuser", "-l", user, "-c", command];
    return runBy(this.#starterNow(), shell, options);
  }

  async run(command: string, options: ExecOptions = {}): Promise<string> {
    const { stdout, stderr, exit } = await this.exec(command, options);
    if (exit !== 0) throw new Error(`on ${this.name}: ${command}: exit ${exit}\n${stderr}${stdout}`);
    return stdout;
  }

  waitForSsh(): Promise<void> {
    return this.#supervisor.waitForSsh();
  }

  async reboot(): Promise<void> {
    const previous = this.leader;
    await this.run("systemctl reboot");
    await this.waitForReboot(previous);
  }

  waitForReboot(formerLeader: number): Promise<void> {
    return this.#supervisor.waitForReboot(formerLeader);
  }

  async powerOff(): Promise<void> {
    await this.run("systemctl poweroff");
    await this.#supervisor.waitForEnd();
  }

  cutPower(): Promise<void> {
    return this.#supervisor.kill();
  }

  powerOn(): Promise<void> {
    return this.#supervisor.start();
  }

  async stop(): Promise<void> {
    this.#starter?.by.end();
    await this.#supervisor.kill();
    await releaseSlot(this.#slot);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** What starts commands since the machine has booted. */
  #starterNow(): Starter {
    const { leader } = this;
    if (this.#starter?.leader === leader) return this.#starter.by;
    this.#starter?.by.end();
    const enter = ["nsenter", "--all", "--root", "--wd", "--target", String(leader), "--"];
    const by = new Starter([...enter, "env", "-i", "HOME=/root", `PATH=${searchPath}`]);
    this.#starter = { leader, by };
    return by;
  }
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
