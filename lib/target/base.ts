import type { HostChange } from "../model/changes";
import { type CommandResult, RunFailed } from "../model/errors";
import type {
  Command,
  FileStat,
  OwnerIds,
  PosixTarget,
  RunOptions,
  Within,
  WriteOptions,
} from "../model/target";
import type { Change } from "../model/types";
import { shellQuote } from "../util/shell-quote";
import { AskingTarget, bare, type Comparison } from "./asking";
import { shownCommand } from "./command";
import type { PutOptions, TargetContext } from "./context";
import { entryChange, type FileImage, fileChange, fromTo } from "./file-change";
import { InnerMemory } from "./memory";
import { mountPoints } from "./mounts";
import { temporarily } from "./temporary";
import { decode, encode, splitLines } from "./text";

/** What every target does, on top of what it can be asked, built on what each does in its own way. */
export abstract class TargetBase extends AskingTarget implements PosixTarget {
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
  /** Replaces the file as documented for `writeFile`. */
  protected abstract put(path: string, content: Buffer, options: PutOptions): Promise<void>;
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
  /** The absolute path of the directory for temporary files. */
  protected abstract findTemporary(): Promise<string>;
  /** Creates a file that only this user can read, or a directory if there is no `content`. Fails if the path exists. */
  protected abstract makePrivate(path: string, content: Buffer | undefined): Promise<void>;
  /** Removes `path` with everything in it, even after the deployment was cancelled. */
  protected abstract discard(path: string): Promise<void>;

  async run(command: Command, options: RunOptions = {}): Promise<CommandResult> {
    const change = { kind: "command", command: shownCommand(command, options) } as const;
    try {
      const result = await this.perform(command, options);
      this.report(change);
      return result;
    } catch (error) {
      // It ran, and may have changed something before it failed.
      if (error instanceof RunFailed) this.report(change);
      throw error;
    }
  }

  report(change: HostChange): void {
    if (change.kind === "file" && this.#isTemporary(change.path)) return;
    this.context.changed?.(change);
  }

  /** Whether `path` is a temporary file in use, or in such a directory: it is no change of the host. */
  #isTemporary(path: string): boolean {
    return [...this.#temporaries].some((each) => path === each || path.startsWith(`${each}/`));
  }

  /** The temporary files and directories in use in this deployment. */
  get #temporaries(): Set<string> {
    const known = this.memory.get("target/temporaries") as Set<string> | undefined;
    const all = known ?? new Set();
    if (!known) this.memory.set("target/temporaries", all);
    return all;
  }

  async writeFile(path: string, content: string | Buffer, options: WriteOptions = {}): Promise<void> {
    const wanted = bytesOf(content);
    // For the report only: the write itself says why a file cannot be written.
    const found = this.context.changed && (await this.compare(path, wanted).catch(() => undefined));
    await this.#write(path, wanted, options, found);
  }

  async ensureContent(path: string, content: string | Buffer, options: WriteOptions = {}): Promise<Change> {
    const wanted = bytesOf(content);
    const found = await this.compare(path, wanted);
    const modeHolds = options.mode === undefined || found?.stat.mode === options.mode;
    if (found?.same && modeHolds) return "unchanged";
    await this.#write(path, wanted, { ...options, parents: true }, found);
    return "changed";
  }

  async editLines(
    path: string,
    edit: (lines: readonly string[]) => readonly string[],
    options: WriteOptions = {},
  ): Promise<Change> {
    const found = await this.readWithStat(path);
    const before = splitLines(decode(found?.bytes ?? Buffer.alloc(0)));
    const after = edit(before.lines);
    if (after.length === before.lines.length && after.every((line, at) => line === before.lines[at]))
      return "unchanged";
    const expected = found?.stat.id ?? null;
    const how = { ...options, parents: true, expected };
    await this.#write(path, encode(before.join(after)), how, found);
    return "changed";
  }

  /** Replaces the file, whose stat and content were `found`, and reports that. */
  async #write(
    path: string,
    content: Buffer,
    options: PutOptions,
    found: (Pick<Comparison, "stat" | "bytes"> & Partial<Comparison>) | undefined,
  ): Promise<void> {
    if (!found?.same) await options.validate?.(content);
    await this.put(path, content, options);
    if (!this.context.changed) return;
    const before: FileImage | undefined = found && { ...found.stat, bytes: found.bytes };
    const mode = options.mode ?? found?.stat.mode ?? 0o644;
    const after = { size: content.length, bytes: content, mode };
    this.report(await fileChange(path, before, after, this.context.digestKey));
  }

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
    const [before, after] = await Promise.all([this.stat(destination), this.stat(source)]);
    await this.duplicate(source, destination);
    const image = (stat: FileStat | undefined): FileImage | undefined =>
      stat && { ...stat, bytes: undefined };
    this.report(await fileChange(destination, image(before), image(after)));
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

  withTemporaryFile<T>(
    use: (path: string) => Promise<T>,
    { content = "", directory }: Parameters<PosixTarget["withTemporaryFile"]>[1] = {},
  ): Promise<T> {
    return this.#withTemporary(use, directory, bytesOf(content));
  }

  withTemporaryDirectory<T>(
    use: (path: string) => Promise<T>,
    { directory }: { readonly directory?: string } = {},
  ): Promise<T> {
    return this.#withTemporary(use, directory);
  }

  async #withTemporary<T>(
    use: (path: string) => Promise<T>,
    directory: string | undefined,
    content?: Buffer,
  ): Promise<T> {
    const place =
      directory === undefined
        ? await this.remembered("target/temporary", () => this.findTemporary())
        : directory.startsWith("/")
          ? directory
          : `${(await this.identity()).home}/${directory}`;
    const temporaries = this.#temporaries;
    return temporarily(place, use, {
      make: (path) => {
        temporaries.add(path);
        return this.makePrivate(path, content);
      },
      discard: async (path) => {
        await this.discard(path);
        temporaries.delete(path);
      },
    });
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

const bytesOf = (content: string | Buffer): Buffer =>
  typeof content === "string" ? encode(content) : content;
