import { createHash } from "node:crypto";
import { type Findings, PlanEnds } from "../../model/plan";
import type { PlannedBy, PlannedNode } from "../../model/planned-acts";
import type { FileStat, Identity, Within } from "../../model/target";
import type { Kind } from "../../model/types";
import type { Comparison } from "../asking";
import { TargetBase } from "../base";
import type { RawResult } from "../command";
import type { TargetContext } from "../context";
import type { Bytes } from "../feed";
import type { FlagStore } from "../pending-flags";
import { PlannedFlags } from "./flags";
import type { PlannedHost } from "./host";
import { Places } from "./places";
import { isAllowed, READ } from "./rights";
import type { PlannedEntry } from "./tree";

/**
 * Questions about the files of a host on which nothing is done: they are answered by `planned` where a step of the plan has
 * changed something, else by the host itself. What cannot be known of the step goes into its findings.
 */
export abstract class PlanningQuestions extends TargetBase {
  readonly kind: Kind;
  protected readonly homeWord = '"$HOME"';
  protected readonly planned: PlannedHost;
  protected readonly findings: Findings;
  /** The host itself, for questions. */
  protected machine: TargetBase;
  #places: Places;

  constructor(host: TargetBase, context: TargetContext, planned: PlannedHost, findings: Findings) {
    super({ ...context, state: context.state ?? new PlannedFlags(host.state, planned.flags) });
    this.kind = host.kind;
    this.machine = host;
    this.planned = planned;
    this.findings = findings;
    this.#places = new Places(host, planned.tree);
  }

  override within(changes: Within): this {
    const inner = super.within(changes) as PlanningQuestions;
    inner.machine = this.machine.within(changes);
    inner.#places = new Places(inner.machine, this.planned.tree);
    return inner as this;
  }

  async stat(name: string): Promise<FileStat | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.stat(name);
    return this.#followed(await this.place(name, true));
  }

  async lstat(name: string): Promise<FileStat | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.lstat(name);
    return this.statAt(await this.place(name, false));
  }

  async readLink(name: string): Promise<string | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.readLink(name);
    const place = await this.place(name, false);
    const { entry, onHost } = this.planned.tree.at(place);
    if (!entry) this.beforeAsking(onHost);
    const link = entry ? entry.node?.link : await this.machine.readLink(onHost);
    this.dependOn(this.planned.changingPlace(place, entry, link !== undefined));
    return link;
  }

  async realPath(name: string): Promise<string | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.realPath(name);
    const place = await this.place(name, true);
    if (!(await this.#followed(place))) return undefined;
    const { entry, onHost } = this.planned.tree.at(place);
    return entry ? place : onHost === place ? this.machine.realPath(place) : place;
  }

  async list(name: string): Promise<string[] | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.list(name);
    const place = await this.place(name, true);
    if ((await this.statAt(place))?.type !== "directory") return undefined;
    const { entry, onHost = entry?.node?.source ?? place } = this.planned.tree.at(place);
    if (!entry?.node?.fresh) this.beforeAsking(onHost);
    const names = new Set(entry?.node?.fresh ? [] : await this.machine.list(onHost));
    for (const [each, inside] of this.planned.tree.namesIn(place)) {
      if (inside.node) names.add(each);
      else names.delete(each);
      if (!inside.certain) this.dependOn([inside]);
    }
    this.dependOn(this.planned.changingNames(place, entry));
    return [...names].sort();
  }

  async sameContent(name: string, other: string): Promise<boolean> {
    if (this.#isAsOnHost(other) && this.#isAsOnHost(name)) return this.machine.sameContent(name, other);
    const [one, two] = await Promise.all([this.place(name, true), this.place(other, true)]);
    const [first, second] = [this.planned.tree.at(one), this.planned.tree.at(two)];
    if (!first.entry && !second.entry) {
      this.beforeAsking(first.onHost);
      const same = await this.machine.sameContent(first.onHost, second.onHost);
      this.dependOn(this.planned.changing({ paths: [one, two] }));
      return same;
    }
    const [a, b] = await Promise.all([this.stat(name), this.stat(other)]);
    if (a?.type !== "file" || b?.type !== "file" || a.size !== b.size) return false;
    const [content, wanted] = await Promise.all([this.readBytes(name), this.readBytes(other)]);
    return content !== undefined && wanted?.equals(content) === true;
  }

  async readWithStat(name: string, limit?: number): Promise<{ bytes: Buffer; stat: FileStat } | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.readWithStat(name, limit);
    const place = await this.place(name, true);
    const { entry, onHost = entry?.node?.source } = this.planned.tree.at(place);
    // Of a file on the host both are asked in one batch.
    const [stat, read] = await Promise.all([
      this.statAt(place),
      entry ? undefined : this.machine.readBytes(onHost as string).catch((error: unknown) => ({ error })),
    ]);
    if (!stat) return undefined;
    if (stat.type === "directory") throw await this.failure("read", name, "it is a directory");
    if (stat.type !== "file") throw await this.failure("read", name, "it is not a regular file");
    if (read && "error" in read) throw read.error;
    await this.refuseTo("read", name, entry, READ);
    const bytes = entry?.node?.content ?? read ?? (await this.machine.readBytes(onHost ?? place));
    return bytes && { bytes, stat: { ...stat, size: bytes.length } };
  }

  async digestOf(name: string): Promise<string> {
    const place = await this.place(name, true);
    const { entry, onHost = place } = this.planned.tree.at(place);
    const content = entry?.node?.content;
    if (content) return createHash("sha256").update(content).digest("hex");
    return this.machine.digestOf(entry?.node?.source ?? onHost);
  }

  override async compare(name: string, wanted: Bytes): Promise<Comparison | undefined> {
    return this.#isAsOnHost(name) ? this.machine.compare(name, wanted) : super.compare(name, wanted);
  }

  protected findIdentity(): Promise<Identity> {
    return this.machine.identity();
  }

  protected flagStore(): FlagStore {
    throw new Error("a plan has its own flags");
  }

  protected execute(): Promise<RawResult> {
    throw new Error("a plan runs no commands");
  }

  protected get by(): PlannedBy {
    const { step, certain } = this.findings;
    return { step, certain };
  }

  /** Called before the host is asked about the file `place`. */
  protected beforeAsking(_place: string): void {}

  /**
   * Notes the steps on which an answer depends. Throws `PlanEnds` when one is this step itself: nobody knows the answer then.
   */
  protected dependOn(steps: readonly PlannedBy[]): void {
    for (const { step } of steps) {
      if (step !== this.findings.step) this.findings.dependsOn.add(step);
      else if (!this.#isOwnEntry(steps)) {
        this.findings.open = true;
        throw new PlanEnds("it asks for what it has changed");
      }
    }
  }

  /** A step may read what it has planned itself, although it is not certain to do it. */
  #isOwnEntry(steps: readonly PlannedBy[]): boolean {
    return steps.every((each) => each.step !== this.findings.step || "node" in each);
  }

  /** Whether nothing that is planned can concern `name`. The kernel's own files change with every process that looks. */
  #isAsOnHost(name: string): boolean {
    if (this.findings.paths) this.#note(name);
    return this.planned.isUntouched || /^\/(proc|sys)\//.test(name);
  }

  protected async place(name: string, follow: boolean): Promise<string> {
    const absolute = await this.#absolute(name);
    this.findings.looksAt(absolute);
    return this.#places.resolve(absolute, follow);
  }

  async #absolute(name: string): Promise<string> {
    return name.startsWith("/") ? name : `${(await this.identity()).home}/${name}`;
  }

  #note(name: string): void {
    if (name.startsWith("/")) return this.findings.looksAt(name);
    const noting = this.#absolute(name).then((absolute) => this.findings.looksAt(absolute));
    noting.catch(() => {});
    this.findings.noting.push(noting);
  }

  /** The stat of a place to which links were followed: one that still is a link leads nowhere, or in a circle. */
  async #followed(place: string): Promise<FileStat | undefined> {
    const stat = await this.statAt(place);
    return stat?.type === "symlink" ? undefined : stat;
  }

  protected async statAt(place: string): Promise<FileStat | undefined> {
    const { entry, onHost } = this.planned.tree.at(place);
    // Another user has planned it, in a directory that may be closed to this one: the host says so.
    if (!entry) this.beforeAsking(onHost);
    if (entry && entry.step < 0 && (await this.identity()).uid !== 0) await this.machine.lstat(place);
    const stat = entry ? await this.#statOf(place, entry.node) : await this.machine.lstat(onHost);
    this.dependOn(this.planned.changingPlace(place, entry, stat !== undefined));
    return stat;
  }

  async #statOf(place: string, node: PlannedNode | undefined): Promise<FileStat | undefined> {
    if (!node) return undefined;
    const { type, mode, uid, gid, content, link, source } = node;
    const original = source === undefined ? undefined : await this.machine.lstat(source);
    const size = content?.length ?? link?.length ?? original?.size ?? 0;
    const { mtime = Math.floor(Date.now() / 1000), id = `planned:${place}` } = original ?? {};
    return { type, mode, uid, gid, size, mtime, id };
  }

  /** Refuses to do `what` with a planned file whose mode does not allow it to this user. */
  protected async refuseTo(
    what: string,
    name: string,
    entry: PlannedEntry | undefined,
    right: number,
  ): Promise<void> {
    if (!entry?.node) return;
    const allowed = isAllowed(entry.node, await this.identity(), right);
    if (allowed === undefined) this.dependOn([entry]);
    if (allowed === false) throw await this.failure(what, name, "permission denied");
  }
}
