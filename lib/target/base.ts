import type { FileStat, OwnerIds, PosixTarget, Within, WriteOptions } from "../model/target";
import type { Change } from "../model/types";
import { shellQuote } from "../util/shell-quote";
import { bare } from "./asking";
import { ContentsTarget } from "./contents";
import type { TargetContext } from "./context";
import { entryChange, type FileImage, fileChange, fromTo } from "./file-change";
import { InnerMemory } from "./memory";
import { mountPoints } from "./mounts";
import { decode } from "./text";

/** What every target does, on top of what it can be asked, built on what each does in its own way. */
export abstract class TargetBase extends ContentsTarget implements PosixTarget {
  within({ home, memory, signal }: Within): this {
    if (home !== undefined && !home.startsWith("/"))
      throw new TypeError(`within({ home: ${JSON.stringify(home)} }): home must be an absolute path`);
    return this.derive({
      ...this.context,
      state: this.state,
      ...(home !== undefined && { home: home.replace(/(?<=.)\/+$/, "") }),
      ...(signal && { signal: AbortSignal.any([this.context.signal, signal]) }),
      ...(memory && { memory: new InnerMemory(this.memory, memory) }),
    });
  }

  /** A target of the same kind, with another context. */
  protected abstract derive(context: TargetContext): this;
  protected abstract changeMode(path: string, mode: number): Promise<void>;
  protected abstract changeOwner(path: string, uid: number, gid: number): Promise<void>;
  /** Creates the directory `path`, where there is nothing, and its parents. */
  protected abstract createDirectory(path: string, mode: number | undefined): Promise<void>;
  /** Makes `path`, which is a link or does not exist, a link to `to`. */
  protected abstract replaceLink(path: string, to: string): Promise<void>;
  protected abstract move(from: string, to: string): Promise<void>;
  protected abstract duplicate(source: string, destination: string): Promise<void>;
  protected abstract removeDirectory(path: string): Promise<void>;
  /** Resolves to whether there was anything to give. */
  protected abstract reassign(path: string, from: OwnerIds, to: OwnerIds): Promise<boolean>;

  /** Removes a file or a link. */
  protected abstract unlink(path: string): Promise<void>;
  /** Removes a directory with everything in it; nothing is mounted in there. */
  protected abstract removeTree(path: string): Promise<void>;
  /** Removes everything in the directory; nothing is mounted in there. */
  protected abstract clear(path: string): Promise<void>;

  async makeDirectory(path: string, { mode }: WriteOptions = {}): Promise<Change> {
    const [found, link] = await Promise.all([this.stat(bare(path)), this.lstat(path)]);
    if (found?.type === "directory") return "unchanged";
    if (found ?? link)
      throw await this.failure("make the directory", path, "there is something else of that name");
    await this.createDirectory(bare(path), mode);
    this.report(
      entryChange(bare(path), "created", "directory", mode === undefined ? {} : { mode: { to: mode } }),
    );
    return "changed";
  }

  async removeEmptyDirectory(path: string): Promise<Change> {
    if (!(await this.lstat(path))) return "unchanged";
    await this.removeDirectory(bare(path));
    this.report(entryChange(bare(path), "removed", "directory"));
    return "changed";
  }

  async symlink(path: string, to: string): Promise<Change> {
    const [found, link] = await Promise.all([this.lstat(path), this.readLink(path)]);
    if (found && found.type !== "symlink")
      throw await this.failure("make the link", path, "there is something of that name that is not a link");
    if (link === to) return "unchanged";
    await this.replaceLink(bare(path), to);
    this.report(
      entryChange(bare(path), found ? "modified" : "created", "symlink", { link: fromTo(link, to) }),
    );
    return "changed";
  }

  async rename(from: string, to: string): Promise<void> {
    await this.move(bare(from), bare(to));
    this.report(entryChange(bare(from), "removed", "file", { renamed: bare(to) }));
  }

  async copyFile(source: string, destination: string): Promise<void> {
    const [before, after] = await this.copied(source, destination);
    const image = (stat: FileStat | undefined): FileImage | undefined =>
      stat && { ...stat, bytes: undefined };
    this.report(await fileChange(destination, image(before), image(after)));
  }

  /** As `duplicate`; resolves to the stat of `destination` before and of `source`, for the report. */
  protected async copied(source: string, destination: string): Promise<readonly (FileStat | undefined)[]> {
    const stats = await Promise.all([this.stat(destination), this.stat(source)]);
    await this.duplicate(source, destination);
    return stats;
  }

  async reassignOwner(path: string, from: OwnerIds, to: OwnerIds): Promise<Change> {
    if (!(await this.reassign(path, from, to))) return "unchanged";
    const owner = { from: `${from.uid}:${from.gid}`, to: `${to.uid}:${to.gid}` };
    this.report(entryChange(path, "modified", "directory", { owner }));
    return "changed";
  }

  async setMode(path: string, mode: number): Promise<Change> {
    const found = await this.stat(path);
    if (!found) throw await this.failure("set the mode of", path, "no such file or directory");
    if (found.mode === mode) return "unchanged";
    await this.changeMode(path, mode);
    this.report(entryChange(path, "modified", found.type, { mode: { from: found.mode, to: mode } }));
    return "changed";
  }

  async setOwner(path: string, { user, group }: Parameters<PosixTarget["setOwner"]>[1]): Promise<Change> {
    const [found, uid, gid] = await Promise.all([
      this.lstat(path),
      user === undefined ? undefined : this.#uid(path, user),
      group === undefined ? undefined : this.#gid(path, group),
    ]);
    if (!found) throw await this.failure("set the owner of", path, "no such file or directory");
    const wanted = { uid: uid ?? found.uid, gid: gid ?? found.gid };
    if (wanted.uid === found.uid && wanted.gid === found.gid) return "unchanged";
    await this.changeOwner(path, wanted.uid, wanted.gid);
    const owner = { from: `${found.uid}:${found.gid}`, to: `${wanted.uid}:${wanted.gid}` };
    this.report(entryChange(path, "modified", found.type, { owner }));
    return "changed";
  }

  async remove(path: string, { recursive = false }: { readonly recursive?: boolean } = {}): Promise<Change> {
    const found = await this.lstat(path);
    if (!found) return "unchanged";
    if (found.type !== "directory") {
      await this.unlink(path);
      this.report(entryChange(path, "removed", found.type));
      return "changed";
    }
    if (!recursive) throw await this.failure("remove", path, "it is a directory");
    const { place, mounts } = await this.#mountsAt(path);
    if (place === "/") throw await this.failure("remove", path, "that is everything there is");
    const [mount] = mounts;
    if (mount !== undefined) throw await this.failure("remove", path, mountedAt(mount));
    await this.removeTree(path);
    this.report(entryChange(bare(path), "removed", "directory"));
    return "changed";
  }

  async emptyDirectory(path: string): Promise<Change> {
    const names = await this.list(path);
    if (!names) throw await this.failure("empty", path, "it is not a directory");
    if (names.length === 0) return "unchanged";
    const { place, mounts } = await this.#mountsAt(path);
    const mount = mounts.find((each) => each !== place);
    if (mount !== undefined) throw await this.failure("empty", path, mountedAt(mount));
    await this.clear(path);
    for (const name of names) this.report(entryChange(`${bare(path)}/${name}`, "removed", "other"));
    return "changed";
  }

  /** The mount points that `path` is, and those below it. */
  async #mountsAt(path: string): Promise<{ place: string | undefined; mounts: readonly string[] }> {
    const [place, mountinfo] = await Promise.all([
      this.realPath(path),
      this.readBytes("/proc/self/mountinfo"),
    ]);
    if (place === undefined || !mountinfo) return { place, mounts: [] };
    const all = mountPoints(decode(mountinfo));
    const below = place === "/" ? "/" : `${place}/`;
    return { place, mounts: all.filter((mount) => mount === place || mount.startsWith(below)) };
  }

  /** The UID of a user, whose name may itself be a number. */
  async #uid(path: string, user: string): Promise<number> {
    const found = await this.user(user);
    if (found) return found.uid;
    if (/^\d+$/.test(user)) return Number(user);
    throw await this.failure("set the owner of", path, `there is no user ${shellQuote(user)} on this host`);
  }

  async #gid(path: string, group: string): Promise<number> {
    const found = await this.group(group);
    if (found) return found.gid;
    if (/^\d+$/.test(group)) return Number(group);
    throw await this.failure("set the owner of", path, `there is no group ${shellQuote(group)} on this host`);
  }
}

const mountedAt = (mount: string): string => `something is mounted at ${mount}; unmount it first`;
