/** Runs one test machine: its systemd-nspawn, and process 1 inside. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Placement } from "./_disk";
import { bridge } from "./_network";
import { childrenOf } from "./_processes";
import { tryRun } from "./_run";
import { processId, type Slot, updateSlot } from "./_slots";

/** Milliseconds. A machine boots in one second, but twenty may boot at once on two busy cores. */
const timeoutMs = 60_000;

/** Exit code of systemd-nspawn with --keep-unit when the machine reboots: the caller must start it again. */
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

  /** The pid of the machine's process 1 on this computer. */
  leader(): number | undefined {
    const child = this.#child;
    if (child?.pid === undefined || !this.#isRunning()) return undefined;
    return childrenOf(child.pid).find((pid) => pidInside(pid) === 1);
  }

  async waitForSsh(): Promise<void> {
    await this.#until("sshd accepts connections", () => {
      const leader = this.leader();
      return leader !== undefined && acceptsLogins(leader) && answersAsSsh(this.#placement.address);
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
    const end = Date.now() + timeoutMs;
    while (this.#isRunning()) {
      if (Date.now() > end) throw this.#failure("it has shut down", `timed out after ${timeoutMs / 1000} s`);
      await pause(10);
    }
  }

  /** Stops the machine as if its power failed. */
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

  /** `--pdeathsig` shuts the machine down when this process ends, even when killed. */
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
    const location = [`--directory=${root}`, `--network-bridge=${bridge}`];
    const off = [
      "--settings=no",
      "--link-journal=no",
      "--resolv-conf=off",
      "--timezone=off",
      "--private-users=no",
    ];
    const nspawn = ["systemd-nspawn", ...machine, ...location, ...off, ...this.#arguments];
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
    const end = Date.now() + timeoutMs;
    while (!(await holds())) {
      if (!this.#isRunning()) throw this.#failure(what, "the machine stopped");
      if (Date.now() > end) throw this.#failure(what, `timed out after ${timeoutMs / 1000} s`);
      await pause(10);
    }
  }

  #failure(what: string, why: string): Error {
    const console = existsSync(this.#console) ? readFileSync(this.#console, "utf8").slice(-4000) : "";
    return new Error(
      `test machine ${this.#placement.name}: waiting until ${what}: ${why}. Console output:\n${console}`,
    );
  }
}

/**
 * Separate cgroups per machine, as their systemds must not share one. With cgroup v1, systemd needs the hierarchy of its
 * name, and the memory limit is set in the memory hierarchy.
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

/** The pid of a process in its innermost pid namespace. */
function pidInside(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1]);
  } catch {
    return undefined;
  }
}

/**
 * sshd listens, and users other than root may log in. Checked without sending anything: a packet to an address not yet in
 * use delays later ones by a second.
 */
function acceptsLogins(leader: number): boolean {
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
    // Exited in the meantime.
  }
}
