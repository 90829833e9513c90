/** Applies daemon.running: units, restarts, health checks and rollback. */

import { createHash } from "node:crypto";
import path from "node:path";
import { AbortedChange, type AgentTarget, type Change, FailedChange, sharedRuntime } from "consfigurator";
import { serviceUnit, socketUnit, type UnitOptions } from "./_daemonUnits";
import { DEFAULT_PATIENCE, type Health, unhealthy } from "./_health";
import { linkedState, systemctl } from "./_systemctl";
import { isInhibited } from "./service";

export type DaemonSpec = UnitOptions & Health;

/** The record of the last healthy version, stored next to its files. */
interface LastHealthy extends Health {
  /** Identifies the content of its executable. */
  readonly release: string;
}

const UNITS = "/etc/systemd/system";
const RECORD = "record.json";
/** Has the last healthy and the last broken version of each service, with its units: `<healthy|broken>/<name>`. */
const VERSIONS = "/usr/local/lib/consfigurator";
/** Journal lines that a failure shows. */
const JOURNAL_LINES = 20;

/** A service on a host, and its executable. */
export class Daemon {
  readonly #target: AgentTarget;
  readonly #spec: DaemonSpec;
  readonly #service: string;
  readonly #socket: string;

  constructor(target: AgentTarget, spec: DaemonSpec) {
    this.#target = target;
    this.#spec = spec;
    this.#service = `${spec.name}.service`;
    this.#socket = `${spec.name}.socket`;
  }

  async apply(): Promise<Change> {
    const release = await this.#release();
    const last = await this.#lastHealthy();
    const socketChange = await this.#write(this.#socket, this.#listens ? socketUnit(this.#spec) : undefined);
    const serviceChange = await this.#write(this.#service, serviceUnit(this.#spec));
    const isNew = socketChange === "changed" || serviceChange === "changed";
    // If this deployment is interrupted, the flag makes the next one finish it.
    if (isNew && !isInhibited(this.#target)) await this.#target.state.set(this.#pendingFlag, release);
    if (isNew) await this.#systemctl("daemon-reload");
    const enabled = await this.#enable();
    if (isInhibited(this.#target)) return isNew ? "changed" : enabled;
    const needsRestart =
      isNew || release !== last?.release || (await this.#target.state.has(this.#pendingFlag));
    if (!needsRestart) return this.#start(enabled);
    await this.#restart(socketChange === "changed");
    const reason = await this.#unhealthy(this.#spec);
    if (reason !== undefined) throw await this.#rollBack(reason, last);
    await this.#save("healthy", release);
    await this.#target.state.clear(this.#pendingFlag);
    return "changed";
  }

  async unapply(): Promise<Change> {
    const found = await Promise.all(this.#units.map((unit) => this.#target.lstat(`${UNITS}/${unit}`)));
    const there = this.#units.filter((_unit, index) => found[index]);
    if (there.length > 0) {
      await this.#systemctl("disable", ...(isInhibited(this.#target) ? [] : ["--now"]), ...there);
      for (const unit of there) await this.#target.remove(`${UNITS}/${unit}`);
      await this.#systemctl("daemon-reload");
    }
    for (const kind of ["healthy", "broken"] as const)
      await this.#target.remove(this.#directoryOf(kind), { recursive: true });
    (await sharedRuntime(this.#target)).forget(this.#savedExecutable("healthy"));
    await this.#target.state.clear(this.#pendingFlag);
    return there.length > 0 ? "changed" : "unchanged";
  }

  get #listens(): boolean {
    return (this.#spec.listen ?? []).length > 0;
  }

  get #units(): string[] {
    return [this.#service, this.#socket];
  }

  get #pendingFlag(): string {
    return `daemon-${this.#spec.name}`;
  }

  /** A hash of the executable. */
  async #release(): Promise<string> {
    const { executable, name } = this.#spec;
    const content = await this.#target.readBytes(executable);
    if (content) return createHash("sha256").update(content).digest("hex").slice(0, 32);
    throw new AbortedChange(
      `${this.#service} cannot run ${executable}: no such file; put imageDumped("${executable}", …) before daemon.running("${name}")`,
    );
  }

  async #write(unit: string, text: string | undefined): Promise<Change> {
    const file = `${UNITS}/${unit}`;
    if (text !== undefined) return this.#target.ensureContent(file, text, { mode: 0o644 });
    if (!(await this.#target.lstat(file))) return "unchanged";
    await this.#systemctl("disable", ...(isInhibited(this.#target) ? [] : ["--now"]), unit);
    return this.#target.remove(file);
  }

  async #enable(): Promise<Change> {
    const wanted = this.#listens ? this.#units : [this.#service];
    const states = await Promise.all(wanted.map((unit) => linkedState(this.#target, { unit })));
    if (states.every((state) => state === "enabled")) return "unchanged";
    await this.#systemctl("enable", ...wanted);
    return "changed";
  }

  /** Starts a service that has not changed, unless it is running. */
  async #start(enabled: Change): Promise<Change> {
    const wanted = this.#listens ? this.#units : [this.#service];
    const { exit } = await systemctl(
      this.#target,
      ["is-active", "--quiet", ...wanted],
      {},
      { mayFail: true },
    );
    // With several units, exit code 0 only means that one of them is active.
    const allActive = exit === 0 && (wanted.length === 1 || (await this.#areActive(wanted)));
    if (allActive) return enabled;
    await this.#systemctl("start", ...wanted.toReversed());
    const reason = await this.#unhealthy(this.#spec);
    if (reason !== undefined)
      throw new FailedChange(`${this.#service} was started but is not healthy: ${reason}`);
    return "changed";
  }

  async #areActive(units: readonly string[]): Promise<boolean> {
    const { stdout } = await systemctl(this.#target, ["is-active", ...units], {}, { mayFail: true });
    return stdout
      .trim()
      .split("\n")
      .every((state) => state === "active");
  }

  /** Clients wait at the socket meanwhile: it stays open unless its unit has changed. */
  async #restart(socketChanged: boolean): Promise<void> {
    if (this.#listens) {
      if (socketChanged)
        await systemctl(this.#target, ["stop", this.#service, this.#socket], {}, { mayFail: true });
      await this.#systemctl("start", this.#socket);
    }
    // The health check reports a failed start.
    await systemctl(this.#target, ["restart", this.#service], {}, { mayFail: true });
  }

  #unhealthy(health: Health): Promise<string | undefined> {
    return unhealthy(this.#target, this.#service, health);
  }

  /** Undefined when no healthy version is on record. */
  async #lastHealthy(): Promise<LastHealthy | undefined> {
    const text = await this.#target.readBytes(`${this.#directoryOf("healthy")}/${RECORD}`);
    return text && (JSON.parse(text.toString("utf8")) as LastHealthy);
  }

  /** Restores and restarts the last healthy version; keeps the failed one for inspection. */
  async #rollBack(reason: string, last: LastHealthy | undefined): Promise<FailedChange> {
    const log = await this.#recentLog();
    await this.#save("broken");
    const evidence = `; the failed executable is kept as ${this.#savedExecutable("broken")}${log}`;
    if (!last) {
      await systemctl(this.#target, ["stop", this.#service], {}, { mayFail: true });
      return new FailedChange(
        `${this.#service} is not healthy: ${reason}; no previous version to roll back to, so the service was stopped${evidence}`,
      );
    }
    const socketChanged = await this.#restore();
    await this.#systemctl("daemon-reload");
    await this.#restart(socketChanged);
    const still = await this.#unhealthy(last);
    if (still === undefined) await this.#target.state.clear(this.#pendingFlag);
    const outcome =
      still === undefined
        ? "rolled back to the previous version"
        : `rolled back to the previous version, which is not healthy either: ${still}`;
    return new FailedChange(`${this.#service} is not healthy: ${reason}; ${outcome}${evidence}`);
  }

  /** Restores the last healthy version. True: the socket unit has changed. */
  async #restore(): Promise<boolean> {
    const { executable } = this.#spec;
    const kept = await this.#target.readBytes(this.#savedExecutable("healthy"));
    if (kept) await this.#target.ensureContent(executable, kept, { mode: 0o755 });
    let socketChanged = false;
    for (const unit of this.#units) {
      const text = await this.#target.readBytes(`${this.#directoryOf("healthy")}/${unit}`);
      const changed = await this.#write(unit, text?.toString("utf8"));
      if (unit === this.#socket) socketChanged = changed === "changed";
    }
    return socketChanged;
  }

  /** Copies the executable, which is small since it shares its runtime, and the units. */
  async #save(kind: "healthy" | "broken", release?: string): Promise<void> {
    const directory = this.#directoryOf(kind);
    await this.#target.makeDirectory(directory, { mode: 0o755 });
    const content = await this.#target.readBytes(this.#spec.executable);
    if (content) await this.#target.ensureContent(this.#savedExecutable(kind), content, { mode: 0o755 });
    for (const unit of this.#units) {
      const text = await this.#target.readBytes(`${UNITS}/${unit}`);
      if (text) await this.#target.ensureContent(`${directory}/${unit}`, text, { mode: 0o644 });
      else await this.#target.remove(`${directory}/${unit}`);
    }
    if (release === undefined) return;
    const { healthy, patience } = this.#spec;
    const record: LastHealthy = { release, healthy, patience };
    await this.#target.ensureContent(`${directory}/${RECORD}`, JSON.stringify(record), { mode: 0o644 });
    (await sharedRuntime(this.#target)).remember(this.#savedExecutable(kind));
  }

  #directoryOf(kind: "healthy" | "broken"): string {
    return `${VERSIONS}/${kind}/${this.#spec.name}`;
  }

  #savedExecutable(kind: "healthy" | "broken"): string {
    return `${this.#directoryOf(kind)}/${path.posix.basename(this.#spec.executable)}`;
  }

  /** The last journal lines since the service was last started. */
  async #recentLog(): Promise<string> {
    const since = `--since=-${(this.#spec.patience ?? DEFAULT_PATIENCE) + 5}s`;
    const command = ["journalctl", "-q", "--no-pager", "-o", "cat", "-n", String(JOURNAL_LINES), since];
    const ids = await systemctl(
      this.#target,
      ["show", this.#service, "-P", "InvocationID"],
      {},
      { mayFail: true },
    );
    const id = ids.stdout.trim();
    const filter = id ? [`_SYSTEMD_INVOCATION_ID=${id}`] : ["-u", this.#service];
    await this.#target.query(["journalctl", "--sync"], { mayFail: true });
    const { stdout } = await this.#target.query([...command, ...filter], { mayFail: true });
    return stdout.trim() ? `; its log:\n${stdout.trim()}` : "";
  }

  async #systemctl(...words: string[]): Promise<void> {
    await systemctl(this.#target, words, {});
  }
}
