/** Applies daemon.running: units, restarts, health checks and rollback. */

import { createHash } from "node:crypto";
import { AbortedChange, type AgentTarget, type Change, FailedChange, isUnattended } from "consfigurator";
import { canBeTried, type Failed, hasTrial, removeTrial, triedBeside } from "./_daemonTrial";
import { listens, UnitFiles, type Units } from "./_daemonUnitFiles";
import type { UnitOptions } from "./_daemonUnits";
import { DaemonVersions, type KeptVersion, releaseOf, sourceOf, UNITS } from "./_daemonVersions";
import { type Health, unhealthy, unitState } from "./_health";
import { addressesInUse } from "./_listeners";
import { systemctl } from "./_systemctl";
import { MANY_RESTARTS, SETTLED_S } from "./_unitLook";
import { journalOf } from "./_unitState";
import { isInhibited } from "./service";

export type DaemonSpec = UnitOptions & Health;

/** The present executable: see `releaseOf` and `sourceOf`. */
interface Built {
  readonly release: string;
  readonly source: string;
}

/** Milliseconds that a service may take to end before the user is told. */
const SLOW_STOP_MS = 5000;

/** A service on a host, and its executable. */
export class Daemon {
  readonly #target: AgentTarget;
  readonly #spec: DaemonSpec;
  readonly #service: string;
  readonly #socket: string;
  readonly #units: UnitFiles;
  readonly #versions: DaemonVersions;

  constructor(target: AgentTarget, spec: DaemonSpec) {
    this.#target = target;
    this.#spec = spec;
    this.#service = `${spec.name}.service`;
    this.#socket = `${spec.name}.socket`;
    this.#units = new UnitFiles(target, spec);
    this.#versions = new DaemonVersions(target, spec.name, spec.executable, this.#units.names);
  }

  async apply(): Promise<Change> {
    const built = await this.#built();
    await this.#units.refuseMasked();
    const last = await this.#versions.find("healthy");
    const isNew = !(await this.#units.areWritten());
    const isPending = await this.#target.state.has(this.#pendingFlag);
    if (isInhibited(this.#target)) return isNew ? this.#writeUnits() : this.#units.enable();
    if (!isNew && !isPending && built.release === last?.release)
      return this.#start(await this.#units.enable());
    await this.#refuseKnownAsBroken(built, last);
    const failed = last && (await this.#tryBeside());
    if (failed) throw await this.#keepRunning(failed, built);
    // If this deployment is interrupted, the flag makes the next one finish it.
    if (isNew) await this.#target.state.set(this.#pendingFlag, built.release);
    const switched = await this.#switch(this.#units.wanted);
    const reason = switched.reason ?? (await this.#unhealthy(this.#spec));
    if (reason !== undefined) throw await this.#rollBack(reason, built, last);
    await this.#versions.keep("healthy", this.#record(built), this.#units.wanted);
    if ((await this.#versions.find("broken"))?.version === this.#version(built))
      await this.#versions.forget("broken");
    // From now on its restarts count.
    await systemctl(this.#target, ["reset-failed", this.#service], {}, { mayFail: true });
    await this.#target.state.clear(this.#pendingFlag);
    return "changed";
  }

  async unapply(): Promise<Change> {
    const change = await this.#units.remove();
    if (await hasTrial(this.#target, this.#spec.name)) await removeTrial(this.#target, this.#spec.name);
    for (const kind of ["broken", "healthy"] as const) await this.#versions.forget(kind);
    await this.#target.state.clear(this.#pendingFlag);
    return change;
  }

  get #listens(): boolean {
    return listens(this.#spec);
  }

  get #pendingFlag(): string {
    return `daemon-${this.#spec.name}`;
  }

  /** Identifies the executable and the units. */
  #version({ source }: Built): string {
    const text = JSON.stringify([source, this.#units.wanted]);
    return createHash("sha256").update(text).digest("hex").slice(0, 32);
  }

  #record(built: Built, reason?: string): KeptVersion {
    const { healthy, patience, steady } = this.#spec;
    return { release: built.release, version: this.#version(built), healthy, patience, steady, reason };
  }

  async #built(): Promise<Built> {
    const { executable, name } = this.#spec;
    const content = await this.#target.readBytes(executable);
    if (content) return { release: releaseOf(content), source: sourceOf(content) };
    throw new AbortedChange(
      `${this.#service} cannot run ${executable}: no such file; put imageDumped("${executable}", …) before daemon.running("${name}")`,
    );
  }

  async #writeUnits(units: Units = this.#units.wanted): Promise<Change> {
    return this.#units.write(units, await this.#target.state.has(this.#pendingFlag));
  }

  /** Starts a service that has not changed, unless it is running. */
  async #start(enabled: Change): Promise<Change> {
    if (await this.#areActive(this.#listens ? this.#units.names : [this.#service])) {
      const reason = await this.#reasonOfRestarts();
      if (reason === undefined) return enabled;
      throw new FailedChange(
        `${this.#service} is not healthy: ${reason}${await journalOf(this.#target, this.#service)}`,
      );
    }
    if (this.#listens) await this.#startSocket();
    await systemctl(this.#target, ["start", "--no-block", this.#service], {});
    const reason = await this.#unhealthy(this.#spec);
    if (reason === undefined) return "changed";
    throw new FailedChange(
      `${this.#service} was started but is not healthy: ${reason}${await journalOf(this.#target, this.#service)}`,
    );
  }

  async #areActive(units: readonly string[]): Promise<boolean> {
    const { stdout } = await systemctl(this.#target, ["is-active", ...units], {}, { mayFail: true });
    return stdout
      .trim()
      .split("\n")
      .every((state) => state === "active");
  }

  /** Why a running service is in a crash loop; undefined when it is not. */
  async #reasonOfRestarts(): Promise<string | undefined> {
    const state = await unitState(this.#target, this.#service, "ActiveEnterTimestampMonotonic");
    const restarts = Number(state["NRestarts"] ?? 0);
    if (restarts === 0) return undefined;
    const upFor = process.hrtime()[0] - Number(state["ActiveEnterTimestampMonotonic"]) / 1e6;
    if (restarts >= MANY_RESTARTS && upFor < SETTLED_S)
      return `it exited and was restarted ${restarts} times, last ${Math.max(0, Math.round(upFor))} s ago`;
    const reason = await this.#unhealthy(this.#spec);
    if (reason === undefined && upFor >= SETTLED_S)
      await systemctl(this.#target, ["reset-failed", this.#service], {}, { mayFail: true });
    return reason;
  }

  /** A version that was found to be broken is tried again only by someone who deploys it. */
  async #refuseKnownAsBroken(built: Built, last: KeptVersion | undefined): Promise<void> {
    if (!last || !isUnattended(this.#target)) return;
    const broken = await this.#versions.find("broken");
    if (broken?.version !== this.#version(built)) return;
    await this.#versions.restoreExecutable();
    throw new FailedChange(
      `${this.#service}: this version was not healthy when it was tried last (${broken.reason}), and is not tried again unattended; deploy a mended one, or deploy this one again`,
    );
  }

  /** Undefined when the new version is healthy, or cannot run beside the one that serves now. */
  async #tryBeside(): Promise<Failed | undefined> {
    if (!canBeTried(this.#spec)) return undefined;
    const state = await unitState(this.#target, this.#service);
    if (state["ActiveState"] !== "active" || state["NRestarts"] !== "0") return undefined;
    return triedBeside(this.#target, this.#spec);
  }

  /** The running version was never stopped. */
  async #keepRunning({ reason, log }: Failed, built: Built): Promise<FailedChange> {
    await this.#versions.keep("broken", this.#record(built, reason), this.#units.wanted);
    await this.#versions.restoreExecutable();
    await this.#target.state.clear(this.#pendingFlag);
    return new FailedChange(
      `${this.#service} is not healthy: ${reason}; it was tried beside the previous version, which keeps running; the failed executable is kept as ${this.#versions.executableOf("broken")}${log}`,
    );
  }

  /** Writes the units and restarts the service. Clients wait at the socket, which stays open unless its unit changes. */
  async #switch(units: Units): Promise<{ readonly reason?: string | undefined }> {
    const socketChanged =
      (await this.#target.readBytes(`${UNITS}/${this.#socket}`))?.toString("utf8") !== units[this.#socket];
    const before = performance.now();
    await this.#writeUnits(units);
    await systemctl(
      this.#target,
      ["stop", this.#service, ...(socketChanged && units[this.#socket] ? [this.#socket] : [])],
      {},
      { mayFail: true },
    );
    const took = performance.now() - before;
    if (took > SLOW_STOP_MS)
      this.#target.inform(
        `${this.#service} took ${Math.round(took / 1000)} s to end after SIGTERM; clients wait meanwhile, so let it exit when it gets SIGTERM, or set TimeoutStopSec in settings\n`,
      );
    if (units[this.#socket] !== undefined) {
      const reason = await this.#socketFailure();
      if (reason !== undefined) return { reason };
    }
    // The health check reports a failed start.
    await systemctl(this.#target, ["start", "--no-block", this.#service], {}, { mayFail: true });
    return {};
  }

  async #startSocket(): Promise<void> {
    const reason = await this.#socketFailure();
    if (reason !== undefined) throw new FailedChange(`${this.#service} did not start: ${reason}`);
  }

  /** Opens the socket; returns why that failed. */
  async #socketFailure(): Promise<string | undefined> {
    const { exit } = await systemctl(this.#target, ["start", this.#socket], {}, { mayFail: true });
    if (exit === 0) return undefined;
    const inUse = await addressesInUse(this.#target, this.#spec.listen ?? []);
    return `${this.#socket} cannot listen${inUse}${await journalOf(this.#target, this.#socket)}`;
  }

  #unhealthy(health: Health): Promise<string | undefined> {
    return unhealthy(this.#target, this.#service, health);
  }

  /** Restores and restarts the last healthy version; keeps the failed one for inspection. */
  async #rollBack(reason: string, built: Built, last: KeptVersion | undefined): Promise<FailedChange> {
    const log = await journalOf(this.#target, this.#service);
    await this.#versions.keep("broken", this.#record(built, reason), this.#units.wanted);
    const evidence = `; the failed executable is kept as ${this.#versions.executableOf("broken")}${log}`;
    if (!last) {
      await systemctl(this.#target, ["stop", this.#service], {}, { mayFail: true });
      return new FailedChange(
        `${this.#service} is not healthy: ${reason}; no previous version to roll back to, so the service was stopped${evidence}`,
      );
    }
    const units = await this.#healthyUnits();
    await this.#versions.restoreExecutable();
    const { reason: noSocket } = await this.#switch(units);
    const still = noSocket ?? (await this.#unhealthy(last));
    if (still === undefined) await this.#target.state.clear(this.#pendingFlag);
    const outcome =
      still === undefined
        ? "rolled back to the previous version"
        : `rolled back to the previous version, which is not healthy either: ${still}`;
    return new FailedChange(`${this.#service} is not healthy: ${reason}; ${outcome}${evidence}`);
  }

  async #healthyUnits(): Promise<Units> {
    const texts = await Promise.all(
      this.#units.names.map(async (unit) => [unit, await this.#versions.healthyUnit(unit)] as const),
    );
    return Object.fromEntries(texts);
  }
}
