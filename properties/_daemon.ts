/** The doing of daemon.running: units, restarts, health, and the way back. */

import { createHash } from "node:crypto";
import path from "node:path";
import { AbortedChange, type AgentTarget, type Change, FailedChange, sharedRuntime } from "consfigurator";
import { type Described, serviceUnit, socketUnit } from "./_daemonUnits";
import { type Health, PATIENCE, unhealthy } from "./_health";
import { linkedState, systemctl } from "./_systemctl";
import { isInhibited } from "./service";

export type DaemonSpec = Described & Health;

/** What is kept of the service that was healthy last, besides its files. */
interface LastHealthy extends Health {
  /** Names the content of its executable. */
  readonly release: string;
}

const UNITS = "/etc/systemd/system";
/** What was healthy last, and what was not, with its units: `<directory>/<name>`. */
const RECORD = "record.json";
const KEPT = "/usr/local/lib/consfigurator";
/** Lines of the journal that are shown of what failed. */
const LAST_LINES = 20;

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
    const reached = await this.#write(this.#socket, this.#listens ? socketUnit(this.#spec) : undefined);
    const described = await this.#write(this.#service, serviceUnit(this.#spec));
    const isNew = reached === "changed" || described === "changed";
    // What was begun and not finished is found by whoever comes next.
    if (isNew && !isInhibited(this.#target)) await this.#target.state.set(this.#mark, release);
    if (isNew) await this.#systemctl("daemon-reload");
    const enabled = await this.#enable();
    if (isInhibited(this.#target)) return isNew ? "changed" : enabled;
    const isOwed = isNew || release !== last?.release || (await this.#target.state.has(this.#mark));
    if (!isOwed) return this.#start(enabled);
    await this.#restart(reached === "changed");
    const reason = await this.#unhealthy(this.#spec);
    if (reason !== undefined) throw await this.#goBack(reason, last);
    await this.#keep("healthy", release);
    await this.#target.state.clear(this.#mark);
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
      await this.#target.remove(this.#keptIn(kind), { recursive: true });
    (await sharedRuntime(this.#target)).forget(this.#keptExecutable("healthy"));
    await this.#target.state.clear(this.#mark);
    return there.length > 0 ? "changed" : "unchanged";
  }

  get #listens(): boolean {
    return (this.#spec.listen ?? []).length > 0;
  }

  get #units(): string[] {
    return [this.#service, this.#socket];
  }

  get #mark(): string {
    return `daemon-${this.#spec.name}`;
  }

  /** What the executable is, by its content. */
  async #release(): Promise<string> {
    const { executable, name } = this.#spec;
    const content = await this.#target.readBytes(executable);
    if (content) return createHash("sha256").update(content).digest("hex").slice(0, 32);
    throw new AbortedChange(
      `there is no ${executable} for ${this.#service} to run; put imageDumped("${executable}", …) before daemon.running("${name}")`,
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

  /** For a service of which nothing has changed: it runs. */
  async #start(enabled: Change): Promise<Change> {
    const wanted = this.#listens ? this.#units : [this.#service];
    const { exit } = await systemctl(
      this.#target,
      ["is-active", "--quiet", ...wanted],
      {},
      { mayFail: true },
    );
    // With several it is enough that one is active.
    const all = exit === 0 && (wanted.length === 1 || (await this.#areActive(wanted)));
    if (all) return enabled;
    await this.#systemctl("start", ...wanted.toReversed());
    const reason = await this.#unhealthy(this.#spec);
    if (reason !== undefined)
      throw new FailedChange(`${this.#service} was started and is not healthy: ${reason}`);
    return "changed";
  }

  async #areActive(units: readonly string[]): Promise<boolean> {
    const { stdout } = await systemctl(this.#target, ["is-active", ...units], {}, { mayFail: true });
    return stdout
      .trim()
      .split("\n")
      .every((state) => state === "active");
  }

  /** Who connects meanwhile waits at the socket, which stays open unless it is to be another. */
  async #restart(elsewhere: boolean): Promise<void> {
    if (this.#listens) {
      if (elsewhere)
        await systemctl(this.#target, ["stop", this.#service, this.#socket], {}, { mayFail: true });
      await this.#systemctl("start", this.#socket);
    }
    // One that cannot even be started is found to be not healthy.
    await systemctl(this.#target, ["restart", this.#service], {}, { mayFail: true });
  }

  #unhealthy(health: Health): Promise<string | undefined> {
    return unhealthy(this.#target, this.#service, health);
  }

  /** Undefined: none was, or it is not known any more. */
  async #lastHealthy(): Promise<LastHealthy | undefined> {
    const text = await this.#target.readBytes(`${this.#keptIn("healthy")}/${RECORD}`);
    return text && (JSON.parse(text.toString("utf8")) as LastHealthy);
  }

  /** The executable and units that were healthy last run again; what was not is kept to be looked at. */
  async #goBack(reason: string, last: LastHealthy | undefined): Promise<FailedChange> {
    const said = await this.#lastWords();
    await this.#keep("broken");
    const evidence = `; ${this.#keptExecutable("broken")} is what failed${said}`;
    if (!last) {
      await systemctl(this.#target, ["stop", this.#service], {}, { mayFail: true });
      return new FailedChange(
        `${this.#service} is not healthy: ${reason}; there is none to go back to, and it was stopped${evidence}`,
      );
    }
    const changedSocket = await this.#restore();
    await this.#systemctl("daemon-reload");
    await this.#restart(changedSocket);
    const still = await this.#unhealthy(last);
    if (still === undefined) await this.#target.state.clear(this.#mark);
    const outcome =
      still === undefined
        ? "the one before runs again"
        : `the one before was put back, and is not healthy either: ${still}`;
    return new FailedChange(`${this.#service} is not healthy: ${reason}; ${outcome}${evidence}`);
  }

  /** Puts back what was healthy. True: the socket is another one. */
  async #restore(): Promise<boolean> {
    const { executable } = this.#spec;
    const kept = await this.#target.readBytes(this.#keptExecutable("healthy"));
    if (kept) await this.#target.ensureContent(executable, kept, { mode: 0o755 });
    let changedSocket = false;
    for (const unit of this.#units) {
      const text = await this.#target.readBytes(`${this.#keptIn("healthy")}/${unit}`);
      const changed = await this.#write(unit, text?.toString("utf8"));
      if (unit === this.#socket) changedSocket = changed === "changed";
    }
    return changedSocket;
  }

  /** A copy: it has the size of the code. */
  async #keep(kind: "healthy" | "broken", release?: string): Promise<void> {
    const directory = this.#keptIn(kind);
    await this.#target.makeDirectory(directory, { mode: 0o755 });
    const content = await this.#target.readBytes(this.#spec.executable);
    if (content) await this.#target.ensureContent(this.#keptExecutable(kind), content, { mode: 0o755 });
    for (const unit of this.#units) {
      const text = await this.#target.readBytes(`${UNITS}/${unit}`);
      if (text) await this.#target.ensureContent(`${directory}/${unit}`, text, { mode: 0o644 });
      else await this.#target.remove(`${directory}/${unit}`);
    }
    if (release === undefined) return;
    const { healthy, patience } = this.#spec;
    const record: LastHealthy = { release, healthy, patience };
    await this.#target.ensureContent(`${directory}/${RECORD}`, JSON.stringify(record), { mode: 0o644 });
    (await sharedRuntime(this.#target)).remember(this.#keptExecutable(kind));
  }

  #keptIn(kind: "healthy" | "broken"): string {
    return `${KEPT}/${kind}/${this.#spec.name}`;
  }

  #keptExecutable(kind: "healthy" | "broken"): string {
    return `${this.#keptIn(kind)}/${path.posix.basename(this.#spec.executable)}`;
  }

  /** What the service said, since it was started last. */
  async #lastWords(): Promise<string> {
    const since = `--since=-${(this.#spec.patience ?? PATIENCE) + 5}s`;
    const words = ["journalctl", "-q", "--no-pager", "-o", "cat", "-n", String(LAST_LINES), since];
    const ids = await systemctl(
      this.#target,
      ["show", this.#service, "-P", "InvocationID"],
      {},
      { mayFail: true },
    );
    const id = ids.stdout.trim();
    const of = id ? [`_SYSTEMD_INVOCATION_ID=${id}`] : ["-u", this.#service];
    await this.#target.run(["journalctl", "--sync"], { mayFail: true });
    const { stdout } = await this.#target.run([...words, ...of], { mayFail: true });
    return stdout.trim() ? `; it said:\n${stdout.trim()}` : "";
  }

  async #systemctl(...words: string[]): Promise<void> {
    await systemctl(this.#target, words, {});
  }
}
