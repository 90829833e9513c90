/** The running of one test machine: its systemd-nspawn, and the process 1 inside. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Placement } from "./_disk";
import { bridge } from "./_network";
import { tryRun } from "./_run";
import { processId, type Slot, updateSlot } from "./_slots";

/** Milliseconds; a machine boots in one second, but twenty may boot at once on two cores that do other work too. */
const patience = 60_000;

/** With --keep-unit, systemd-nspawn leaves the restart to who started it, and says so with this exit. */
const rebootExit = 133;

export class Supervisor {
  readonly #placement: Placement;
  readonly #arguments: readonly string[];
  readonly #memoryLimit: number | undefined;
  readonly #console: string;
  #slot: Slot;
  #child: ChildProcess | undefined;

  constructor(placement: Placement, extraArguments: readonly string[], memoryLimit?: number) {
    this.#placement = placement;
    this.#arguments = extraArguments;
    this.#memoryLimit = memoryLimit;
    this.#slot = placement.slot;
    this.#console = path.join(placement.slot.directory, "console.log");
  }

  /** Starts the machine and waits for its sshd. */
  async start(): Promise<void> {
    if (this.#isRunning()) throw new Error(`test machine ${this.#placement.name} is running already`);
    const cgroups = makeCgroups(this.#slot.unit, this.#memoryLimit);
    this.#slot = updateSlot(this.#slot, { cgroups });
    await tryRun(["ip", "link", "delete", `vb-${this.#slot.unit}`]);
    this.#launch();
    await this.waitForSsh();
  }

  /** The machine's process 1, as numbered here. */
  leader(): number | undefined {
    const child = this.#child;
    if (child?.pid === undefined || !this.#isRunning()) return undefined;
    return childrenOf(child.pid).find((pid) => numberInside(pid) === 1);
  }

  async waitForSsh(): Promise<void> {
    await this.#until("sshd accepts connections", () => {
      const leader = this.leader();
      return leader !== undefined && letsUsersIn(leader) && answersAsSsh(this.#placement.address);
    });
  }

  async waitForReboot(formerLeader: number): Promise<void> {
    await this.#until("it has rebooted", () => {
      const leader = this.leader();
      return leader !== undefined && leader !== formerLeader;
    });
    await this.waitForSsh();
  }

  async waitForEnd(): Promise<void> {
    const end = Date.now() + patience;
    while (this.#isRunning()) {
      if (Date.now() > end) throw this.#failure("it has shut down", `not within ${patience / 1000} s`);
      await pause(10);
    }
  }

  /** As if its power failed. */
  async kill(): Promise<void> {
    const leader = this.leader();
    if (leader !== undefined) tryKill(leader);
    else this.#child?.kill("SIGKILL");
    await this.waitForEnd();
  }

  #isRunning(): boolean {
    if (this.#child === undefined) return false;
    const { exitCode, signalCode } = this.#child;
    return (exitCode === null && signalCode === null) || exitCode === rebootExit;
  }

  #launch(): void {
    const child = this.#spawn(this.#slot.cgroups);
    this.#child = child;
    child.once("exit", (code) => {
      if (code === rebootExit) this.#launch();
    });
    const supervisor = processId(child.pid ?? 0);
    if (supervisor !== undefined) this.#slot = updateSlot(this.#slot, { supervisor });
  }

  /** Shuts down when this process ends, however it ends: `--pdeathsig`. */
  #spawn(cgroups: readonly string[]): ChildProcess {
    const { slot, name, root } = this.#placement;
    const log = openSync(this.#console, "a");
    const enter = 'for c in $CGROUPS; do echo $$ > "$c/cgroup.procs" || exit; done; exec "$@"';
    const machine = [
      "--boot",
      "--register=no",
      "--keep-unit",
      `--machine=${slot.unit}`,
      `--hostname=${name}`,
    ];
    const place = [`--directory=${root}`, `--network-bridge=${bridge}`];
    const off = [
      "--settings=no",
      "--link-journal=no",
      "--resolv-conf=off",
      "--timezone=off",
      "--private-users=no",
    ];
    const nspawn = ["systemd-nspawn", ...machine, ...place, ...off, ...this.#arguments];
    try {
      const child = spawn("sh", ["-c", enter, "sh", "setpriv", "--pdeathsig", "TERM", ...nspawn], {
        stdio: ["ignore", log, log],
        detached: true,
        env: { ...process.env, CGROUPS: cgroups.join(" "), SYSTEMD_NSPAWN_TMPFS_TMP: "0" },
      });
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + patience;
    while (!(await holds())) {
      if (!this.#isRunning()) throw this.#failure(what, "it has ended");
      if (Date.now() > end) throw this.#failure(what, `not within ${patience / 1000} s`);
      await pause(10);
    }
  }

  #failure(what: string, why: string): Error {
    const console = existsSync(this.#console) ? readFileSync(this.#console, "utf8").slice(-4000) : "";
    return new Error(
      `test machine ${this.#placement.name}: waiting until ${what}: ${why}. Its console:\n${console}`,
    );
  }
}

/**
 * Groups of the machine's own, as systemd inside must not meet that of another machine. With version 1 of the interface
 * systemd needs the hierarchy named after it, and a limit is set in a hierarchy of its own.
 */
function makeCgroups(unit: string, memoryLimit?: number): string[] {
  const top = "/sys/fs/cgroup";
  const isVersion2 = existsSync(`${top}/cgroup.controllers`);
  const groups = isVersion2
    ? [`${top}/${unit}`]
    : ["systemd", "unified"]
        .filter((name) => existsSync(`${top}/${name}`))
        .map((name) => `${top}/${name}/${unit}`);
  for (const group of groups) mkdirSync(group, { recursive: true });
  if (memoryLimit === undefined) return groups;
  if (isVersion2) {
    writeFileSync(`${top}/cgroup.subtree_control`, "+memory");
    writeFileSync(`${top}/${unit}/memory.max`, String(memoryLimit));
    return groups;
  }
  const own = /^\d+:memory:(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  const limited = path.join(top, "memory", own, unit);
  mkdirSync(limited, { recursive: true });
  writeFileSync(`${limited}/memory.limit_in_bytes`, String(memoryLimit));
  return [...groups, limited];
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    // Kernels may come without that file.
    return readdirSync("/proc")
      .map(Number)
      .filter((other) => parentOf(other) === pid);
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** The number that a process has in its innermost process namespace. */
function numberInside(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1]);
  } catch {
    return undefined;
  }
}

/**
 * sshd listens, and others than root may log in. Asked without sending anything: a packet to an address that nobody
 * has yet delays those that follow by a second.
 */
function letsUsersIn(leader: number): boolean {
  try {
    const listens = / 00000000:0016 00000000:0000 0A /.test(readFileSync(`/proc/${leader}/net/tcp`, "utf8"));
    return listens && !existsSync(`/proc/${leader}/root/run/nologin`);
  } catch {
    return false;
  }
}

function answersAsSsh(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port: 22, timeout: 2000 });
    socket.once("data", (data) => resolve(data.toString().startsWith("SSH-")));
    for (const event of ["error", "timeout", "close"]) socket.once(event, () => resolve(false));
    socket.once("data", () => socket.destroy());
    socket.once("timeout", () => socket.destroy());
  });
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone in this very moment.
  }
}
