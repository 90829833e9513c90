import { createHash } from "node:crypto";
import path from "node:path";
import { FailedChange } from "../../model/errors";
import { type Findings, PlanEnds } from "../../model/plan";
import type { PlannedBy, PlannedNode } from "../../model/planned-acts";
import { SecretStream } from "../../model/secret-stream";
import type { FileStat, Identity, OwnerIds, Within } from "../../model/target";
import type { Kind } from "../../model/types";
import type { Comparison } from "../asking";
import { TargetBase } from "../base";
import type { RawResult } from "../command";
import type { PutOptions, TargetContext } from "../context";
import type { Bytes } from "../feed";
import { isWithin } from "../host-parts";
import type { FlagStore } from "../pending-flags";
import { PlannedFlags } from "./flags";
import type { PlannedHost } from "./host";
import { Places } from "./places";
import { isAllowed, READ, WRITE } from "./rights";
import type { PlannedEntry } from "./tree";

/**
 * The files of a host on which nothing is done: questions are answered by `planned` where a step of the plan has changed
 * something, else by the host itself, and acts change `planned`. What cannot be known of the step goes into its findings.
 */
export abstract class PlanningFiles extends TargetBase {
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
    const inner = super.within(changes) as PlanningFiles;
    inner.machine = this.machine.within(changes);
    inner.#places = new Places(inner.machine, this.planned.tree);
    return inner as this;
  }

  async stat(name: string): Promise<FileStat | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.stat(name);
    return this.#followed(await this.#place(name, true));
  }

  async lstat(name: string): Promise<FileStat | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.lstat(name);
    return this.#statAt(await this.#place(name, false));
  }

  async readLink(name: string): Promise<string | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.readLink(name);
    const place = await this.#place(name, false);
    const { entry, onHost } = this.planned.tree.at(place);
    if (!entry) this.beforeAsking(onHost);
    const link = entry ? entry.node?.link : await this.machine.readLink(onHost);
    this.dependOn(this.planned.changingPlace(place, entry, link !== undefined));
    return link;
  }

  async realPath(name: string): Promise<string | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.realPath(name);
    const place = await this.#place(name, true);
    if (!(await this.#followed(place))) return undefined;
    const { entry, onHost } = this.planned.tree.at(place);
    return entry ? place : onHost === place ? this.machine.realPath(place) : place;
  }

  async list(name: string): Promise<string[] | undefined> {
    if (this.#isAsOnHost(name)) return this.machine.list(name);
    const place = await this.#place(name, true);
    if ((await this.#statAt(place))?.type !== "directory") return undefined;
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
    if (this.#isAsOnHost(name)) return this.machine.sameContent(name, other);
    const [one, two] = await Promise.all([this.#place(name, true), this.#place(other, true)]);
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
    const place = await this.#place(name, true);
    const { entry, onHost = entry?.node?.source } = this.planned.tree.at(place);
    // Of a file on the host both are asked in one batch.
    const [stat, read] = await Promise.all([
      this.#statAt(place),
      entry ? undefined : this.machine.readBytes(onHost as string).catch((error: unknown) => ({ error })),
    ]);
    if (!stat) return undefined;
    if (stat.type === "directory") throw await this.failure("read", name, "it is a directory");
    if (stat.type !== "file") throw await this.failure("read", name, "it is not a regular file");
    if (read && "error" in read) throw read.error;
    await this.#refuseTo("read", name, entry, READ);
    const bytes = entry?.node?.content ?? read ?? (await this.machine.readBytes(onHost ?? place));
    return bytes && { bytes, stat: { ...stat, size: bytes.length } };
  }

  async digestOf(name: string): Promise<string> {
    const place = await this.#place(name, true);
    const { entry, onHost = place } = this.planned.tree.at(place);
    const content = entry?.node?.content;
    if (content) return createHash("sha256").update(content).digest("hex");
    return this.machine.digestOf(entry?.node?.source ?? onHost);
  }

  override async compare(name: string, wanted: Bytes): Promise<Comparison | undefined> {
    return this.#isAsOnHost(name) ? this.machine.compare(name, wanted) : super.compare(name, wanted);
  }

  protected async put(name: string, content: Bytes, options: PutOptions): Promise<void> {
    const place = await this.#place(name, true).catch((error: unknown) =>
      this.#deniedTo("write", name, error),
    );
    const found = await this.#statAt(place);
    if (found?.type === "directory") throw await this.failure("write", name, "it is a directory");
    if (found?.type === "symlink")
      throw await this.failure("write", name, "too many levels of symbolic links");
    const parent = await this.#directoryFor("write", name, place, options.parents ?? false);
    const owner = await this.#newOwner(parent);
    const kept = await this.#keptBy({ type: "file", mode: 0o644, ...owner, ...found }, owner);
    if (content instanceof SecretStream) {
      // What is in it is not fetched for a plan: later questions about it depend on this step.
      this.planned.disturb({ paths: [place] }, this.by);
      return;
    }
    this.#set(place, { ...kept, type: "file", mode: options.mode ?? kept.mode, content });
  }

  protected async createDirectory(name: string, mode: number | undefined): Promise<void> {
    const place = await this.#place(name, true);
    const parent = await this.#directoryFor("make the directory", name, place, true);
    this.#set(place, await this.#newDirectory(parent, mode));
  }

  protected async removeDirectory(name: string): Promise<void> {
    const names = await this.list(name);
    if (!names) throw await this.failure("remove", name, "not a directory");
    if (names.length > 0) throw await this.failure("remove", name, "directory not empty");
    await this.unlink(name);
  }

  protected async replaceLink(name: string, to: string): Promise<void> {
    const place = await this.#place(name, false);
    const parent = await this.#directoryFor("make the link", name, place, false);
    this.#set(place, { type: "symlink", mode: 0o777, ...(await this.#newOwner(parent)), link: to });
  }

  protected async move(from: string, to: string): Promise<void> {
    const [source, place] = await Promise.all([this.#place(from, false), this.#place(to, false)]);
    const node = await this.#nodeAt(source);
    const what = `rename ${from} to`;
    if (!node) throw await this.failure(what, to, "no such file or directory");
    await this.#directoryFor(what, to, place, false);
    if (place === source) return;
    if (isWithin(place, source)) throw await this.failure(what, to, "invalid argument");
    await this.#refuseToReplace(what, to, place, node);
    const below = node.type === "directory" ? this.planned.tree.below(source) : [];
    this.#set(place, node);
    for (const [each, inside] of below) this.#set(place + each.slice(source.length), inside);
    this.#set(source, undefined);
  }

  protected async duplicate(source: string, destination: string): Promise<void> {
    const what = `copy ${source} to`;
    const node = await this.#nodeAt(await this.#place(source, true));
    if (!node) throw await this.failure(what, destination, "no such file or directory");
    if (node.type !== "file") throw await this.failure(what, destination, "the source is not a regular file");
    const place = await this.#place(destination, false);
    const parent = await this.#directoryFor(what, destination, place, false);
    this.#set(place, { ...node, ...(await this.#keptBy(node, await this.#newOwner(parent))) });
  }

  /** Which files belong to `from` is not looked up: all of them may change hands. */
  protected async reassign(name: string, from: OwnerIds, to: OwnerIds): Promise<boolean> {
    const place = await this.#place(name, true);
    const node = await this.#nodeAt(place);
    if (!node || (node.uid !== from.uid && node.gid !== from.gid)) return false;
    const uid = node.uid === from.uid ? to.uid : node.uid;
    const gid = node.gid === from.gid ? to.gid : node.gid;
    this.planned.disturb({ paths: [place] }, this.by);
    this.#set(place, { ...node, uid, gid });
    return true;
  }

  protected async changeMode(name: string, mode: number): Promise<void> {
    const place = await this.#place(name, true);
    const node = await this.#nodeAt(place);
    if (!node) throw await this.failure("set the mode of", name, "no such file or directory");
    await this.#refuseForeign("set the mode of", name, node);
    this.#set(place, { ...node, mode });
  }

  protected async changeOwner(name: string, uid: number, gid: number): Promise<void> {
    const place = await this.#place(name, false);
    const node = await this.#nodeAt(place);
    if (!node) throw await this.failure("set the owner of", name, "no such file or directory");
    if ((await this.identity()).uid !== 0 && uid !== node.uid)
      throw await this.failure("set the owner of", name, "operation not permitted");
    // As the kernel does, whoever changes the owner: setuid is cleared, and setgid of what the group may execute.
    const cleared = node.mode & 0o010 ? 0o6000 : 0o4000;
    const mode = node.type === "directory" ? node.mode : node.mode & ~cleared;
    this.#set(place, { ...node, uid, gid, mode });
  }

  protected async unlink(name: string): Promise<void> {
    const place = await this.#place(name, false);
    await this.#directoryFor("remove", name, place, false);
    this.#set(place, undefined);
  }

  protected removeTree(name: string): Promise<void> {
    return this.unlink(name);
  }

  protected async clear(name: string): Promise<void> {
    const place = await this.#place(name, true);
    for (const each of (await this.list(name)) ?? []) this.#set(`${place}/${each}`, undefined);
  }

  protected async findTemporary(): Promise<string> {
    return "/tmp";
  }

  protected async makePrivate(name: string, content: Buffer | undefined): Promise<void> {
    const { uid, gid } = await this.identity();
    if (content) this.#set(name, { type: "file", mode: 0o600, uid, gid, content });
    else this.#set(name, { type: "directory", mode: 0o700, uid, gid, fresh: true });
  }

  protected async discard(name: string): Promise<void> {
    this.#set(name, undefined);
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

  #set(place: string, node: PlannedNode | undefined): void {
    this.planned.put(place, node, this.by);
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
    return this.planned.isUntouched || /^\/(proc|sys)\//.test(name);
  }

  async #place(name: string, follow: boolean): Promise<string> {
    const absolute = name.startsWith("/") ? name : `${(await this.identity()).home}/${name}`;
    return this.#places.resolve(absolute, follow);
  }

  /** The stat of a place to which links were followed: one that still is a link leads nowhere, or in a circle. */
  async #followed(place: string): Promise<FileStat | undefined> {
    const stat = await this.#statAt(place);
    return stat?.type === "symlink" ? undefined : stat;
  }

  async #statAt(place: string): Promise<FileStat | undefined> {
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

  /** What is at `place`, to be changed or put elsewhere; undefined when there is nothing. */
  async #nodeAt(place: string): Promise<PlannedNode | undefined> {
    const { entry, onHost } = this.planned.tree.at(place);
    if (entry) return entry.node;
    const stat = await this.machine.lstat(onHost);
    if (!stat) return undefined;
    const { type, mode, uid, gid } = stat;
    const link = type === "symlink" ? await this.machine.readLink(onHost) : undefined;
    return { type, mode, uid, gid, source: onHost, ...(link !== undefined && { link }) };
  }

  /** The stat of the directory of `place`, in which something may be changed; missing ones are planned with `parents`. */
  async #directoryFor(what: string, name: string, place: string, parents: boolean): Promise<FileStat> {
    const directory = path.posix.dirname(place);
    const found = await this.stat(directory);
    if (found?.type === "directory") {
      await this.#refuseUnwritable(what, name, directory);
      return found;
    }
    if (found) throw await this.failure(what, name, "not a directory");
    if (!parents) throw await this.failure(what, name, "no such file or directory");
    const above = await this.#directoryFor(what, name, directory, true);
    this.#set(directory, await this.#newDirectory(above, undefined));
    return (await this.#statAt(directory)) as FileStat;
  }

  async #newDirectory(parent: FileStat, mode: number | undefined): Promise<PlannedNode> {
    const inherited = parent.mode & 0o2000;
    const owner = await this.#newOwner(parent);
    return { type: "directory", mode: mode ?? 0o755 | inherited, ...owner, fresh: true };
  }

  /** The owner of what is created in `parent`: a setgid directory gives its group. */
  async #newOwner(parent: FileStat): Promise<OwnerIds> {
    const { uid, gid } = await this.identity();
    return { uid, gid: parent.mode & 0o2000 ? parent.gid : gid };
  }

  /** What a new file keeps of the mode and the owner of `old`: only root can give it away. `own`: if it cannot. */
  async #keptBy(
    old: OwnerIds & { readonly mode: number },
    own: OwnerIds,
  ): Promise<OwnerIds & { mode: number }> {
    const { uid, gid, mode } = old;
    const isOwn = uid === own.uid || (await this.identity()).uid === 0;
    return isOwn ? { uid, gid, mode } : { ...own, mode: mode & 0o1777 };
  }

  /** Rethrows `error`; that a link on the way cannot be read is said of the act. */
  async #deniedTo(what: string, name: string, error: unknown): Promise<never> {
    const isDenied = error instanceof FailedChange && / permission denied to the user /.test(error.message);
    throw isDenied ? await this.failure(what, name, "permission denied") : error;
  }

  async #refuseUnwritable(what: string, name: string, directory: string): Promise<void> {
    const { entry, onHost } = this.planned.tree.at(directory);
    if (onHost === undefined) return this.#refuseTo(what, name, entry, WRITE);
    if ((await this.identity()).uid === 0) return;
    const writable = await this.remembered(`plan/writable ${onHost}`, () =>
      this.machine.succeeds(["test", "-w", onHost], { cwd: "/" }),
    );
    if (!writable) throw await this.failure(what, name, "permission denied");
  }

  /** Refuses to do `what` with a planned file whose mode does not allow it to this user. */
  async #refuseTo(what: string, name: string, entry: PlannedEntry | undefined, right: number): Promise<void> {
    if (!entry?.node) return;
    const allowed = isAllowed(entry.node, await this.identity(), right);
    if (allowed === undefined) this.dependOn([entry]);
    if (allowed === false) throw await this.failure(what, name, "permission denied");
  }

  /** As rename(2): `moved` can replace what is at `place` only by its like, and a directory only an empty one. */
  async #refuseToReplace(what: string, name: string, place: string, moved: PlannedNode): Promise<void> {
    const found = await this.#statAt(place);
    const [isDirectory, wasDirectory] = [moved.type === "directory", found?.type === "directory"];
    if (!found || (!isDirectory && !wasDirectory)) return;
    if (!isDirectory) throw await this.failure(what, name, "illegal operation on a directory");
    if (!wasDirectory) throw await this.failure(what, name, "not a directory");
    if ((await this.list(place))?.length) throw await this.failure(what, name, "directory not empty");
  }

  async #refuseForeign(what: string, name: string, { uid }: PlannedNode): Promise<void> {
    const identity = await this.identity();
    if (identity.uid !== 0 && identity.uid !== uid)
      throw await this.failure(what, name, "operation not permitted");
  }
}
