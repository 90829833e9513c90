import path from "node:path";
import { FailedChange } from "../../model/errors";
import type { PlannedNode } from "../../model/planned-acts";
import { SecretStream } from "../../model/secret-stream";
import type { FileStat, OwnerIds } from "../../model/target";
import type { PutOptions } from "../context";
import type { Bytes } from "../feed";
import { isWithin } from "../host-parts";
import { PlanningQuestions } from "./questions";
import { WRITE } from "./rights";
/** The files of a host on which nothing is done: acts change `planned`, and later questions see that. */
export abstract class PlanningFiles extends PlanningQuestions {
  protected async put(name: string, content: Bytes, options: PutOptions): Promise<void> {
    const place = await this.place(name, true).catch((error: unknown) =>
      this.#deniedTo("write", name, error),
    );
    const found = await this.statAt(place);
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
    const place = await this.place(name, true);
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
    const place = await this.place(name, false);
    const parent = await this.#directoryFor("make the link", name, place, false);
    this.#set(place, { type: "symlink", mode: 0o777, ...(await this.#newOwner(parent)), link: to });
  }

  protected async move(from: string, to: string): Promise<void> {
    const [source, place] = await Promise.all([this.place(from, false), this.place(to, false)]);
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
    const node = await this.#nodeAt(await this.place(source, true));
    if (!node) throw await this.failure(what, destination, "no such file or directory");
    if (node.type !== "file") throw await this.failure(what, destination, "the source is not a regular file");
    const place = await this.place(destination, false);
    const parent = await this.#directoryFor(what, destination, place, false);
    this.#set(place, { ...node, ...(await this.#keptBy(node, await this.#newOwner(parent))) });
  }

  /** Which files belong to `from` is not looked up: all of them may change hands. */
  protected async reassign(name: string, from: OwnerIds, to: OwnerIds): Promise<boolean> {
    const place = await this.place(name, true);
    const node = await this.#nodeAt(place);
    if (!node || (node.uid !== from.uid && node.gid !== from.gid)) return false;
    const uid = node.uid === from.uid ? to.uid : node.uid;
    const gid = node.gid === from.gid ? to.gid : node.gid;
    this.planned.disturb({ paths: [place] }, this.by);
    this.#set(place, { ...node, uid, gid });
    return true;
  }

  protected async changeMode(name: string, mode: number): Promise<void> {
    const place = await this.place(name, true);
    const node = await this.#nodeAt(place);
    if (!node) throw await this.failure("set the mode of", name, "no such file or directory");
    await this.#refuseForeign("set the mode of", name, node);
    this.#set(place, { ...node, mode });
  }

  protected async changeOwner(name: string, uid: number, gid: number): Promise<void> {
    const place = await this.place(name, false);
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
    const place = await this.place(name, false);
    await this.#directoryFor("remove", name, place, false);
    this.#set(place, undefined);
  }

  protected removeTree(name: string): Promise<void> {
    return this.unlink(name);
  }

  protected async clear(name: string): Promise<void> {
    const place = await this.place(name, true);
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

  #set(place: string, node: PlannedNode | undefined): void {
    this.planned.put(place, node, this.by);
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
    return (await this.statAt(directory)) as FileStat;
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
    if (onHost === undefined) return this.refuseTo(what, name, entry, WRITE);
    if ((await this.identity()).uid === 0) return;
    const writable = await this.remembered(`plan/writable ${onHost}`, () =>
      this.machine.succeeds(["test", "-w", onHost], { cwd: "/" }),
    );
    if (!writable) throw await this.failure(what, name, "permission denied");
  }

  /** As rename(2): `moved` can replace what is at `place` only by its like, and a directory only an empty one. */
  async #refuseToReplace(what: string, name: string, place: string, moved: PlannedNode): Promise<void> {
    const found = await this.statAt(place);
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
