import * as fs from "node:fs";
import path from "node:path";
import { parsePasswd } from "../accounts";

const { O_DIRECTORY, O_NOFOLLOW } = fs.constants;
/** From open(2) on Linux: a handle on a file or directory, without access to its content. Node has no constant for it. */
const O_PATH = 0o10000000;
/** Links followed before it is a loop, as in the kernel. */
const MAX_LINKS = 40;

/** Without /proc (macOS, some contexts), files are addressed by their paths, as every tool does. */
const canPin = process.platform === "linux" && fs.existsSync("/proc/self/fd");

/** Only root has rights that a link of another user could abuse. */
const isRoot = (): boolean => process.geteuid?.() === 0;

/** Why root does not touch a path that another user can redirect. The message is for people. */
export class PathRefused extends Error {}

export const changedMeanwhile = (entry: Entry): PathRefused =>
  new PathRefused(`${entry.shown} was changed by someone else in the meantime; deploy again`);

/**
 * A directory that is held open: names in it stay in it, even if another user replaces its path. Node has no openat(2), but
 * a path below `/proc/self/fd/N` has the same effect.
 */
export class PinnedDirectory {
  readonly #fd: number | undefined;
  readonly #path: string;
  #trusted: boolean | undefined;

  private constructor(fd: number | undefined, directory: string) {
    this.#fd = fd;
    this.#path = fd === undefined ? directory : `/proc/self/fd/${fd}`;
  }

  /** Opens `directory`, links followed. */
  static open(directory: string): PinnedDirectory {
    if (!canPin) return new PinnedDirectory(undefined, directory);
    return new PinnedDirectory(fs.openSync(directory, O_PATH | O_DIRECTORY), directory);
  }

  /** The path of `name` in this directory, for one system call. */
  at(name = "."): string {
    return name === "." ? `${this.#path}/` : `${this.#path.replace(/\/$/, "")}/${name}`;
  }

  /** Opens the directory `name` in this one. Throws ENOTDIR for a link. */
  enter(name: string): PinnedDirectory {
    if (!canPin) return new PinnedDirectory(undefined, this.at(name));
    const fd = fs.openSync(this.at(name), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    return new PinnedDirectory(fd, "");
  }

  stat(): fs.Stats {
    return this.#fd === undefined ? fs.statSync(this.#path) : fs.fstatSync(this.#fd);
  }

  /** Its present path. */
  get location(): string {
    return this.#fd === undefined ? this.#path : fs.readlinkSync(this.#path);
  }

  /** Whether no other user can change which file a name in it refers to. */
  get trusted(): boolean {
    this.#trusted ??= !isRoot() || onlyRootWrites(this.stat());
    return this.#trusted;
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
  }
}

const onlyRootWrites = ({ uid, mode }: fs.Stats): boolean => uid === 0 && (mode & 0o022) === 0;

/** In a sticky directory, such as /tmp, others cannot rename or remove what belongs to root. */
const isSticky = ({ uid, mode }: fs.Stats): boolean => uid === 0 && (mode & 0o1000) !== 0;

interface ResolveOptions {
  /** True: follows a link at the end of the path. */
  readonly follow?: boolean;
  /** True: creates missing parent directories, with mode 0755. */
  readonly parents?: boolean;
}

/** One name in a directory that is held open. */
export class Entry {
  constructor(
    readonly directory: PinnedDirectory,
    readonly name: string,
  ) {}

  /** For one system call that does not follow links at the end. */
  get path(): string {
    return this.directory.at(this.name);
  }

  /** The stat of this name, a link not followed; undefined when it does not exist. */
  lstat(): fs.Stats | undefined {
    return fs.lstatSync(this.path, { throwIfNoEntry: false });
  }

  /**
   * Opens this name, a link not followed; undefined when it does not exist. Throws `PathRefused` for a file with further
   * names (hard links) in a directory where other users can create them: it could be any file.
   */
  open(): Handle | undefined {
    const found = this.lstat();
    if (!found) return undefined;
    if (!canPin) return new Handle(undefined, this.path, found);
    const fd = fs.openSync(this.path, O_PATH | O_NOFOLLOW);
    const handle = new Handle(fd, "", fs.fstatSync(fd));
    if (!handle.stat.isFile() || this.directory.trusted) return handle;
    try {
      this.#refuseFurtherNames(handle);
      return handle;
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  /** What is open must have this name now, and no other: a name that is gone meanwhile is not counted any more. */
  #refuseFurtherNames({ stat }: Handle): void {
    const now = this.lstat();
    if (!now || now.ino !== stat.ino || now.dev !== stat.dev) throw changedMeanwhile(this);
    if (now.nlink > 1)
      throw new PathRefused(
        `${this.shown} has further names (hard links), and other users can write to its directory`,
      );
  }

  /** The path as shown to users. */
  get shown(): string {
    const { location } = this.directory;
    return `${location === "/" ? "" : location}/${this.name}`;
  }
}

const big = { bigint: true } as const;

/** A file that is held open: acts on it reach this very file, even if its name is replaced. */
export class Handle {
  /** For system calls that follow links: a link in /proc leads to the open file. */
  readonly path: string;

  constructor(
    private readonly fd: number | undefined,
    file: string,
    readonly stat: fs.Stats,
  ) {
    this.path = fd === undefined ? file : `/proc/self/fd/${fd}`;
  }

  /** Device and inode, as `FileStat.id` has them. */
  get id(): string {
    const { dev, ino } = this.fd === undefined ? fs.lstatSync(this.path, big) : fs.fstatSync(this.fd, big);
    return `${dev}:${ino}`;
  }

  setMode(mode: number): void {
    fs.chmodSync(this.path, mode);
  }

  /** Does not follow a link. */
  setOwner(uid: number, gid: number): void {
    if (this.fd === undefined) fs.lchownSync(this.path, uid, gid);
    else fs.chownSync(this.path, uid, gid);
  }

  close(): void {
    if (this.fd !== undefined) fs.closeSync(this.fd);
  }
}

/**
 * The result of `use`, given the directory entry of `file`, an absolute path. Root follows only links that no other user can
 * have created or replaced: its own, in directories that only root can write to. Throws `PathRefused` for others.
 */
export async function withEntry<T>(
  file: string,
  options: ResolveOptions,
  use: (entry: Entry) => T | Promise<T>,
): Promise<T> {
  const entry = resolve(file, options);
  try {
    return await use(entry);
  } finally {
    entry.directory.close();
  }
}

/** As `withEntry`, for a directory, links followed. */
export async function withDirectory<T>(
  name: string,
  use: (directory: PinnedDirectory) => T | Promise<T>,
): Promise<T> {
  const directory = directoryWithoutLinks(name) ?? walk(`${name}/.`, { follow: true }).directory;
  try {
    return await use(directory);
  } finally {
    directory.close();
  }
}

/** As `withEntry`, with the file opened. Throws ENOENT when it does not exist. */
export const withHandle = <T>(
  file: string,
  options: ResolveOptions,
  use: (handle: Handle) => T | Promise<T>,
): Promise<T> =>
  withEntry(file, options, async (entry) => {
    const handle = entry.open();
    if (!handle) throw new Error("ENOENT: no such file or directory, open");
    try {
      return await use(handle);
    } finally {
      handle.close();
    }
  });

/** Throws `PathRefused` if another user could replace a new file in this directory. */
export function refuseReplaceable({ directory }: Entry): void {
  if (directory.trusted || isSticky(directory.stat())) return;
  throw new PathRefused(
    `other users can write to ${directory.location}, and could replace it; omit \`directory\``,
  );
}

function resolve(file: string, options: ResolveOptions): Entry {
  return withoutLinks(file, options) ?? walk(file, options);
}

/** The common case in few system calls: the path has no links, as the path of the opened directory shows. */
function withoutLinks(file: string, { follow }: ResolveOptions): Entry | undefined {
  const { dir, base } = path.posix.parse(file);
  if (path.posix.normalize(file) !== file || base === "") return undefined;
  const directory = directoryWithoutLinks(dir);
  if (!directory) return undefined;
  const entry = new Entry(directory, base);
  if (!(follow && entry.lstat()?.isSymbolicLink())) return entry;
  directory.close();
  return undefined;
}

function directoryWithoutLinks(name: string): PinnedDirectory | undefined {
  if (!canPin) return undefined;
  let directory: PinnedDirectory | undefined;
  try {
    directory = PinnedDirectory.open(name);
    if (directory.location === name) return directory;
  } catch {
    // The walk reports the better reason.
  }
  directory?.close();
  return undefined;
}

/** Resolves the path component by component, holding each directory while the next one is opened. */
function walk(file: string, { follow = false, parents = false }: ResolveOptions): Entry {
  let directory = PinnedDirectory.open("/");
  const components = namesIn(file);
  if (file.endsWith("/.") || components.length === 0) components.push(".");
  let links = 0;
  try {
    for (;;) {
      const name = components.shift() ?? ".";
      const last = components.length === 0;
      const found =
        name === "." || name === ".."
          ? undefined
          : fs.lstatSync(directory.at(name), { throwIfNoEntry: false });
      if (found?.isSymbolicLink() && (!last || follow)) {
        links += 1;
        if (links > MAX_LINKS) throw new Error("ELOOP: too many levels of symbolic links, open");
        const entry = new Entry(directory, name);
        refuseForeignLink(entry, found);
        const to = fs.readlinkSync(entry.path);
        if (to.startsWith("/")) directory = replaced(directory, PinnedDirectory.open("/"));
        components.unshift(...namesIn(to));
        continue;
      }
      if (last && name !== "..") return new Entry(directory, name);
      if (!found && parents && name !== "..") makeDirectoryAt(directory.at(name));
      directory = replaced(directory, directory.enter(name));
      if (last) return new Entry(directory, ".");
    }
  } catch (error) {
    directory.close();
    throw error;
  }
}

const namesIn = (file: string): string[] => file.split("/").filter((name) => name !== "" && name !== ".");

function replaced(old: PinnedDirectory, next: PinnedDirectory): PinnedDirectory {
  old.close();
  return next;
}

/** Creates a directory with mode 0755 regardless of the umask; a default ACL of the parent still applies. */
export function makeDirectoryAt(directory: string): void {
  const umask = process.umask(0o022);
  try {
    fs.mkdirSync(directory);
  } finally {
    process.umask(umask);
  }
}

function refuseForeignLink(entry: Entry, { uid }: fs.Stats): void {
  if (!isRoot()) return;
  const remedy = "give the path that it leads to, or apply this as that user with as(…)";
  if (uid !== 0)
    throw new PathRefused(
      `the link ${entry.shown} belongs to ${userName(uid)}; root does not follow it; ${remedy}`,
    );
  if (!entry.directory.trusted && !isSticky(entry.directory.stat())) {
    throw new PathRefused(
      `the link ${entry.shown} is in a directory that other users can write to; root does not follow it; ${remedy}`,
    );
  }
}

function userName(uid: number): string {
  try {
    const user = parsePasswd(fs.readFileSync("/etc/passwd", "utf8")).find((each) => each.uid === uid);
    return user ? `the user ${user.name}` : `uid ${uid}`;
  } catch {
    return `uid ${uid}`;
  }
}

/** Removes `entry` with everything in it. Throws `PathRefused` if another file system is mounted inside. */
export function removeTree(entry: Entry, device = entry.directory.stat().dev): void {
  const isDirectory = () => {
    try {
      fs.unlinkSync(entry.path);
      return false;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return false;
      if (code === "EISDIR" || code === "EPERM") return entry.lstat()?.isDirectory() === true || raise(error);
      throw error;
    }
  };
  if (!isDirectory()) return;
  const inside = entry.directory.enter(entry.name);
  try {
    if (inside.stat().dev !== device)
      throw new PathRefused(`another file system is mounted at ${inside.location}`);
    for (const name of fs.readdirSync(inside.at())) removeTree(new Entry(inside, name), device);
  } finally {
    inside.close();
  }
  fs.rmdirSync(entry.path);
}

function raise(error: unknown): never {
  throw error;
}
