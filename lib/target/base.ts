import { type CommandResult, FailedChange } from "../model/errors";
import type { HostFacts } from "../model/host-facts";
import type {
  Command,
  FileStat,
  Group,
  Identity,
  OwnerIds,
  PosixTarget,
  RunOptions,
  State,
  User,
  Within,
  WriteOptions,
} from "../model/target";
import type { Change, Kind } from "../model/types";
import { shellQuote } from "../util/shell-quote";
import {
  abortedWith,
  commandResult,
  commandText,
  exported,
  inDirectory,
  LOCALE_LINE,
  type RawResult,
  shownCommand,
} from "./command";
import type { Execution, PutOptions, TargetContext } from "./context";
import { InnerMemory } from "./memory";
import { mountPoints } from "./mounts";
import { type FlagStore, PendingFlags } from "./pending-flags";
import { temporarily } from "./temporary";
import { decode, encode, splitLines } from "./text";
import { traceCommand } from "./trace";

/** What both targets have in common, built on what each does in its own way. */
export abstract class TargetBase implements PosixTarget {
  abstract readonly kind: Kind;
  #state: State | undefined;

  constructor(protected readonly context: TargetContext) {}

  get host(): HostFacts {
    return this.context.host;
  }

  get memory(): Map<string, unknown> {
    return this.context.memory;
  }

  get state(): State {
    this.#state ??= this.context.state ?? new PendingFlags(this.memory, this.flagStore());
    return this.#state;
  }

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
  /** Where flags are stored. */
  protected abstract flagStore(): FlagStore;

  /** Runs `script` with sh, in any directory. Throws only if the script cannot be run. */
  protected abstract execute(script: string, how: Execution): Promise<RawResult>;
  /** The home directory of the connected user, as one word of shell text. */
  protected abstract readonly homeWord: string;
  /** True: `execute` sets `env` itself, so that no other user can see it in the process list. */
  protected readonly setsEnvironment: boolean = false;
  /** The stat of the file `path`, links followed, and whether its bytes are `wanted`; undefined when it does not exist. */
  protected abstract compare(
    path: string,
    wanted: Buffer,
  ): Promise<{ stat: FileStat; same: boolean } | undefined>;
  /** Replaces the file as documented for `writeFile`. */
  protected abstract put(path: string, content: Buffer, options: PutOptions): Promise<void>;
  protected abstract findIdentity(): Promise<Identity>;
  protected abstract changeMode(path: string, mode: number): Promise<void>;
  protected abstract changeOwner(path: string, uid: number, gid: number): Promise<void>;
  /** The bytes of the file `path` and its `id`, of one and the same file; undefined when it does not exist. */
  protected abstract readIdentified(path: string): Promise<{ bytes: Buffer; id: string } | undefined>;

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

  abstract hasCommand(name: string): Promise<boolean>;
  abstract user(nameOrUid: string | number): Promise<User | undefined>;
  abstract group(nameOrGid: string | number): Promise<Group | undefined>;
  abstract groupsOf(name: string): Promise<string[]>;
  abstract stat(path: string): Promise<FileStat | undefined>;
  abstract lstat(path: string): Promise<FileStat | undefined>;
  abstract readLink(path: string): Promise<string | undefined>;
  abstract realPath(path: string): Promise<string | undefined>;
  abstract list(path: string): Promise<string[] | undefined>;
  abstract sameContent(path: string, other: string): Promise<boolean>;
  abstract makeDirectory(path: string, options?: WriteOptions): Promise<Change>;
  abstract removeEmptyDirectory(path: string): Promise<Change>;
  abstract copyFile(source: string, destination: string): Promise<void>;
  abstract reassignOwner(path: string, from: OwnerIds, to: OwnerIds): Promise<Change>;
  abstract symlink(path: string, to: string): Promise<Change>;
  abstract rename(from: string, to: string): Promise<void>;

  async run(command: Command, options: RunOptions = {}): Promise<CommandResult> {
    const { cwd, env, input } = options;
    const there = cwd === undefined ? this.homeWord : this.pathWord(cwd);
    const script = this.setsEnvironment
      ? inDirectory(there, commandText(command))
      : LOCALE_LINE + inDirectory(there, commandText(command), exported(env));
    const shown = shownCommand(command, options);
    const how: Execution = {
      input: typeof input === "string" ? Buffer.from(input) : input,
      env,
      output:
        options.inform && !options.secret ? (stream, text) => this.context.output(stream, text) : undefined,
      excerpt: options.excerpt ?? options.inform ?? false,
      shown,
      hidden: options.secret === true || (!this.setsEnvironment && Object.keys(env ?? {}).length > 0),
    };
    const raw = await traceCommand(this.context, shown, () => this.execute(script, how));
    return commandResult(command, raw, options);
  }

  async succeeds(command: Command, options: RunOptions = {}): Promise<boolean> {
    return (await this.run(command, { excerpt: true, ...options, mayFail: true })).exit === 0;
  }

  async identity(): Promise<Identity> {
    const { home } = this.context;
    if (home === undefined) return this.remembered("target/identity", () => this.findIdentity());
    return this.remembered(`target/identity ${home}`, async () => ({ ...(await this.findIdentity()), home }));
  }

  async isMountPoint(path: string): Promise<boolean> {
    const [place, mounts] = await Promise.all([this.realPath(path), this.readFile("/proc/self/mountinfo")]);
    return place !== undefined && mountPoints(mounts).includes(place);
  }

  async readBytes(path: string): Promise<Buffer | undefined> {
    return (await this.readIdentified(path))?.bytes;
  }

  async readFile(path: string): Promise<string> {
    const bytes = await this.readBytes(path);
    if (bytes === undefined) throw await this.failure("read", path, "no such file or directory");
    return decode(bytes);
  }

  async readLines(path: string): Promise<string[]> {
    const bytes = await this.readBytes(path);
    return bytes ? [...splitLines(decode(bytes)).lines] : [];
  }

  writeFile(path: string, content: string | Buffer, options: WriteOptions = {}): Promise<void> {
    return this.put(path, bytesOf(content), options);
  }

  async ensureContent(path: string, content: string | Buffer, options: WriteOptions = {}): Promise<Change> {
    const wanted = bytesOf(content);
    const found = await this.compare(path, wanted);
    const modeHolds = options.mode === undefined || found?.stat.mode === options.mode;
    if (found?.same && modeHolds) return "unchanged";
    await this.put(path, wanted, { ...options, parents: true });
    return "changed";
  }

  async editLines(
    path: string,
    edit: (lines: readonly string[]) => readonly string[],
    options: WriteOptions = {},
  ): Promise<Change> {
    const found = await this.readIdentified(path);
    const before = splitLines(decode(found?.bytes ?? Buffer.alloc(0)));
    const after = edit(before.lines);
    if (after.length === before.lines.length && after.every((line, at) => line === before.lines[at]))
      return "unchanged";
    const expected = found?.id ?? null;
    await this.put(path, encode(before.join(after)), { ...options, parents: true, expected });
    return "changed";
  }

  async setMode(path: string, mode: number): Promise<Change> {
    const found = await this.stat(path);
    if (!found) throw await this.failure("set the mode of", path, "no such file or directory");
    if (found.mode === mode) return "unchanged";
    await this.changeMode(path, mode);
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
    return "changed";
  }

  async remove(path: string, { recursive = false }: { readonly recursive?: boolean } = {}): Promise<Change> {
    const found = await this.lstat(path);
    if (!found) return "unchanged";
    if (found.type !== "directory") {
      await this.unlink(path);
      return "changed";
    }
    if (!recursive) throw await this.failure("remove", path, "it is a directory");
    const { place, mounts } = await this.#mountsAt(path);
    if (place === "/") throw await this.failure("remove", path, "that is everything there is");
    const [mount] = mounts;
    if (mount !== undefined) throw await this.failure("remove", path, mountedAt(mount));
    await this.removeTree(path);
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

  inform(text: string): void {
    this.context.output("stdout", text.endsWith("\n") ? text : `${text}\n`);
  }

  atEnd(key: string, act: (target: PosixTarget, result: Change) => Promise<void>): void {
    this.context.atEnd(key, act);
  }

  /** `path` as one word of shell text; a relative path is relative to the home directory. */
  protected pathWord(path: string): string {
    return path.startsWith("/") ? shellQuote(path) : `${this.homeWord}/${shellQuote(path)}`;
  }

  /** The error for a failed act on `path`, with the reason that the system gives. */
  protected async failure(act: string, path: string, reason: string): Promise<FailedChange> {
    const denied = /^(permission denied|operation not permitted)$/.test(reason);
    const who = denied ? ` to the user ${(await this.identity()).user}` : "";
    return new FailedChange(`cannot ${act} ${shellQuote(path)}: ${reason}${who}`);
  }

  /** Throws `Cancelled` when the deployment has been, and the reason of any other abort. */
  protected refuseWhenCancelled(doing: string): void {
    const { signal } = this.context;
    if (signal.aborted) throw abortedWith(signal, `cancelled: ${doing}`);
  }

  protected remembered<T>(key: string, find: () => Promise<T>): Promise<T> {
    const known = this.memory.get(key) as Promise<T> | undefined;
    if (known) return known;
    const finding = find();
    this.memory.set(key, finding);
    finding.catch(() => this.memory.delete(key));
    return finding;
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
    return temporarily(place, use, {
      make: (path) => this.makePrivate(path, content),
      discard: (path) => this.discard(path),
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
