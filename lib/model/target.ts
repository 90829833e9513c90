import type { CommandResult } from "./errors";
import type { HostFacts } from "./host-facts";
import type { Change, Kind } from "./types";

/** How a command is run. Raw shell text, or words that are each quoted. */
export type Command = string | readonly string[];

export interface RunOptions {
  /** Given to the command on its standard input; otherwise that is empty. */
  readonly input?: string | Buffer;
  /** Exported before the command runs; null unsets. Names are used as written. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** Where the command runs; the home directory of the connected user unless given. */
  readonly cwd?: string;
  /** True: a non-zero exit code is an answer, not a failure. */
  readonly mayFail?: boolean;
  /** True: the output is shown live as the step's own. */
  readonly inform?: boolean;
  /**
   * True: of output longer than 1 MB the result has only the beginning and the end, so that a command may print as much
   * as it likes. As `inform` unless given.
   */
  readonly excerpt?: boolean;
  /** True: neither the command nor its output may be shown to anybody. */
  readonly secret?: boolean;
}

/** What a file is. Numbers as in stat(2); `mode` has the permission bits with setuid, setgid and sticky. */
export interface FileStat {
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Names device and inode: equal for two names of one file. */
  readonly id: string;
}

/** An account as in passwd(5). */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}

/** A group as in group(5). */
export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Who we are on the host. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly home: string;
}

/** A user and a group by their numbers. */
export interface OwnerIds {
  readonly uid: number;
  readonly gid: number;
}

export interface WriteOptions {
  /** Permission bits to have afterwards. Left out: those the file had, 0o644 for a new one. */
  readonly mode?: number;
}

/**
 * Where a property's I/O happens. Over a shell each of these is a command on the host; in the agent each is a direct
 * system call. Relative paths stand below the home directory of the connected user. What fails throws `FailedChange`.
 */
export interface PosixTarget {
  readonly kind: Kind;
  /** The model of the host: static facts, never read from the machine. */
  readonly host: HostFacts;

  /** Runs `command` with `sh -c`. Throws `RunFailed` on a non-zero exit code unless `mayFail`. */
  run(command: Command, options?: RunOptions): Promise<CommandResult>;
  /** Whether `command` ends with exit code 0. */
  succeeds(command: Command, options?: RunOptions): Promise<boolean>;
  /** Whether the executable `name` is on the PATH. */
  hasCommand(name: string): Promise<boolean>;

  identity(): Promise<Identity>;
  user(nameOrUid: string | number): Promise<User | undefined>;
  group(nameOrGid: string | number): Promise<Group | undefined>;
  /** Names of all groups of the user `name`, the primary one first. */
  groupsOf(name: string): Promise<string[]>;

  /** What `path` is, links followed; undefined when there is nothing. */
  stat(path: string): Promise<FileStat | undefined>;
  /** What `path` itself is, a link not followed. */
  lstat(path: string): Promise<FileStat | undefined>;
  /** Where the link `path` points, as written in it; undefined when it is no link. */
  readLink(path: string): Promise<string | undefined>;
  /** Where `path` is when all links in it are followed: an absolute path; undefined when there is nothing. */
  realPath(path: string): Promise<string | undefined>;
  /** Whether something is mounted at `path`, links followed: a file system, or a file or directory that is bound there. */
  isMountPoint(path: string): Promise<boolean>;
  /** Names in a directory, sorted, hidden ones included; undefined when it is no directory. */
  list(path: string): Promise<string[] | undefined>;

  /** The bytes of a file; undefined when it does not exist. */
  readBytes(path: string): Promise<Buffer | undefined>;
  /** The text of a file, which must exist. */
  readFile(path: string): Promise<string>;
  /** Whether two regular files have the same bytes; false when one of them is none. */
  sameContent(path: string, other: string): Promise<boolean>;
  /** The lines of a file without their ends; none when it does not exist. */
  readLines(path: string): Promise<string[]>;

  /**
   * `path` has `content`, in one step (temporary file beside it, fsync, rename). Owner, mode, ACLs and extended
   * attributes of an existing file stay; a link is followed to its file. Its other names (hard links) keep the old
   * content. The directory must exist. A file that is itself a mount point cannot be replaced, and is overwritten.
   */
  writeFile(path: string, content: string | Buffer, options?: WriteOptions): Promise<void>;
  /** As `writeFile`, unless content (and mode, when given) are so already. Missing parent directories are made. */
  ensureContent(path: string, content: string | Buffer, options?: WriteOptions): Promise<Change>;
  /** `edit` makes the new lines from the old; the file is written only when they differ. Its line ends are kept. */
  editLines(
    path: string,
    edit: (lines: readonly string[]) => readonly string[],
    options?: WriteOptions,
  ): Promise<Change>;

  /** `path` is a directory, its parents too. `mode` is for a directory that is made. */
  makeDirectory(path: string, options?: WriteOptions): Promise<Change>;
  /** There is nothing at `path`. A directory needs `recursive`. A link is removed, never followed. */
  remove(path: string, options?: { readonly recursive?: boolean }): Promise<Change>;
  /** The directory `path`, which must exist, has nothing in it. It stays itself: it may be a mount point. */
  emptyDirectory(path: string): Promise<Change>;
  /** There is no directory at `path`, which must be empty. */
  removeEmptyDirectory(path: string): Promise<Change>;
  /**
   * `destination` is a copy of the file `source`, in one step: with its mode, owner and times, and where the host can (GNU
   * cp) its ACLs and extended attributes. A link at `source` is followed, one at `destination` is replaced.
   */
  copyFile(source: string, destination: string): Promise<void>;
  /** `path` is a link with the text `to`; what is no link there is refused. */
  symlink(path: string, to: string): Promise<Change>;
  setMode(path: string, mode: number): Promise<Change>;
  /** Names or numbers; a link's own owner is set. */
  setOwner(
    path: string,
    owner: { readonly user?: string | undefined; readonly group?: string | undefined },
  ): Promise<Change>;
  /**
   * What belonged to the user or group `from` in the directory `path`, and below it on the same file system, belongs to
   * `to`. Nothing else is touched; links are not followed. Setuid and setgid bits of files stay, except over a shell, where the
   * kernel clears them.
   */
  reassignOwner(path: string, from: OwnerIds, to: OwnerIds): Promise<Change>;
  /** `to` becomes what `from` was, in one step; both on one file system. */
  rename(from: string, to: string): Promise<void>;

  /**
   * What `use` comes to, given the absolute path of a new file that nobody else may read (mode 0600), with `content` or
   * empty. It is removed afterwards, also when `use` fails or the deployment is cancelled. Where our process or the link
   * is killed it stays behind, called `consfigurator.` and 18 digits and letters. `directory`, where it is made, is
   * `$TMPDIR` of the host, or `/tmp`, unless given.
   */
  withTemporaryFile<T>(
    use: (path: string) => Promise<T>,
    options?: { readonly content?: string | Buffer; readonly directory?: string },
  ): Promise<T>;
  /** As `withTemporaryFile`, with a new, empty directory of mode 0700, and all that is put there. */
  withTemporaryDirectory<T>(
    use: (path: string) => Promise<T>,
    options?: { readonly directory?: string },
  ): Promise<T>;

  /** Shown live as output of the present step. */
  inform(text: string): void;
  /** `act` runs after all properties of this deployment, last registered first, unless the deployment was broken off. */
  atEnd(key: string, act: (target: PosixTarget, result: Change) => Promise<void>): void;
  /** Kept for the length of this deployment: what was learned once need not be asked again. */
  readonly memory: Map<string, unknown>;
  /** Marks that outlive the deployment. */
  readonly state: State;
  /** This target with another home directory, or with something more in its memory. */
  within(changes: Within): this;
}

/** What differs for a part of a deployment. */
export interface Within {
  /** HOME of commands, where they run, where relative paths stand, and `identity().home`. An absolute path. */
  readonly home?: string;
  /** What stands in the memory there, and nowhere else. */
  readonly memory?: Readonly<Record<string, unknown>>;
}

/**
 * Marks that are there or not, kept on the host for the connected user: files of mode 0600 in a directory of mode 0700,
 * `${XDG_STATE_HOME:-~/.local/state}/consfigurator/pending`. A name has letters, digits, dots, dashes and underscores.
 * All are looked up at once, the first time that somebody asks in a deployment.
 */
export interface State {
  has(name: string): Promise<boolean>;
  /** Sets the mark, in one step. `text` is for people who look. */
  set(name: string, text: string): Promise<void>;
  /** Removes the mark, if it is there. */
  clear(name: string): Promise<void>;
}

/** A target in our own process on the host: besides, anything that Node can do there. */
export interface AgentTarget extends PosixTarget {
  readonly kind: "agent";
}
