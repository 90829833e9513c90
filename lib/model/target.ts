import type { HostChange } from "./changes";
import type { CommandResult } from "./errors";
import type { HostFacts } from "./host-facts";
import type { Content, Secret } from "./secret";
import type { SecretStream } from "./secret-stream";
import type { Change, Kind } from "./types";

/** A command: raw shell text, or a list of words, each of which is quoted for the shell. */
export type Command = string | readonly string[];

/** Options of `PosixTarget.run`. */
export interface RunOptions {
  /** Standard input of the command. Default: empty. */
  readonly input?: Content | SecretStream;
  /** Environment variables for the command; null unsets one. Names are used as written. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** The working directory. Default: the home directory of the connected user. */
  readonly cwd?: string;
  /** True: a non-zero exit code does not throw. */
  readonly mayFail?: boolean;
  /** True: the output is shown live as output of the step. In verbose deployments that of every command is, unless `secret`. */
  readonly inform?: boolean;
  /**
   * True: of output longer than 1 MB the result keeps only the beginning and the end, so the command may print any
   * amount. False: a command that prints more than 64 MiB is ended, which is a failure. Default: the value of `inform`.
   */
  readonly excerpt?: boolean;
  /** True: neither the command nor its output is ever shown or stored, nor is the command in the host's list of processes. */
  readonly secret?: boolean;
  /**
   * Only for a plan, which does not run the command: does to `model` what the command does to the host, and may return its
   * result. Default: exit code 0 and no output. Without it a plan ends the slot at the command.
   */
  readonly predict?: (
    model: PlanModel,
  ) => Promise<Partial<CommandResult> | undefined> | Partial<CommandResult> | undefined;
  /**
   * For a plan: all that the command may change besides what `predict` says; without `predict`, together with what follows
   * it in the slot. Default: nothing more with `predict`, anything without. Without `predict`, it also tells over a shell
   * which answers that later steps have got ahead of their turn still count.
   */
  readonly touches?: HostParts;
  /** Only for a plan: why nobody can tell in advance whether the command changes something. */
  readonly unpredictable?: string;
}

/** Options of `PosixTarget.query`. */
export interface QueryOptions extends Omit<RunOptions, "inform" | "predict" | "touches" | "unpredictable"> {
  /**
   * All that the answer depends on: for a plan, and for questions that are asked ahead of their turn. Default: anything that
   * a step changes. After a command that may have changed anything, every answer depends on that command.
   */
  readonly about?: HostParts;
}

/** Parts of a host: what a command may change, or what an answer depends on. Only the given parts are meant. */
export interface HostParts {
  /** Absolute paths, each with everything below it. */
  readonly paths?: readonly string[];
  /** True: which packages are installed, in which version. */
  readonly packages?: boolean;
  /** True: accounts and groups. */
  readonly accounts?: boolean;
  /** The state of these units, or of any. */
  readonly units?: readonly string[] | true;
  /** True: whatever does not exist yet, such as files, accounts, commands and units that a package brings. */
  readonly additions?: boolean;
}

/** A host as a plan expects it to be, for `predict`. Acts on files and accounts change the model only. */
export interface PlanModel extends PosixTarget {
  /** From now on the query `command` is answered with `result`, until something that it is `about` changes again. */
  answer(command: Command, result: Partial<CommandResult>, about: HostParts): void;
  /** The command may fail, for a reason that no question tells in advance. */
  mayFail(): void;
  /** Now `parts` may have changed in a way that is not known; without `parts`: anything. */
  mayChange(parts?: HostParts): void;
}

/** The status of a file. Numbers as in stat(2); `mode` has the permission bits with setuid, setgid and sticky. */
export interface FileStat {
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Device and inode: equal for two names (hard links) of the same file. */
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

/** The connected user on the host. */
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

/** A reboot that has begun. */
export interface Reboot {
  /** The boot ID of the host before it: the content of /proc/sys/kernel/random/boot_id, without the newline. */
  readonly rebootsFrom: string;
}

export interface WriteOptions {
  /** The permission bits afterwards. Default: the file's present ones, 0o644 for a new file. */
  readonly mode?: number;
  /** Called with the new content before it is put in place. If it throws, the file stays as it is. */
  readonly validate?: (content: Buffer) => Promise<void>;
}

/**
 * The host as a property's slots access it. Over a shell each method runs commands on the host; in the agent each makes
 * direct system calls. Relative paths start at the home directory of the connected user. Failures throw `FailedChange`.
 */
export interface PosixTarget {
  readonly kind: Kind;
  /** The static facts of the host as declared in the consfig, never read from the machine. */
  readonly host: HostFacts;

  /**
   * Runs `command` with sh, with umask 022 and the locale C.UTF-8, whatever those of the host are. When it has ended, its
   * outputs are read until they end or nothing came for a second: it may have started a daemon. Throws `RunFailed` on a
   * non-zero exit code unless `mayFail`. It acts: a plan does not run it, and reports it as a change.
   */
  run(command: Command, options?: RunOptions): Promise<CommandResult>;
  /** As `run`, for a command that only asks: it changes nothing, so it may run at any time, repeatedly, and for a plan. */
  query(command: Command, options?: QueryOptions): Promise<CommandResult>;
  /** True when the query `command` exits with code 0. */
  succeeds(command: Command, options?: QueryOptions): Promise<boolean>;
  /** True when the executable `name` is on the PATH. */
  hasCommand(name: string): Promise<boolean>;

  /**
   * The prerequisite data (`iden1`, `iden2`), which `hostattrs` must have required with `host.requireData`. It is fetched
   * now, on the user's own machine, and is in the memory of this process only. Throws `MissingData` when no source has it.
   */
  data(iden1: string, iden2: string): Promise<Secret>;
  /**
   * As `data`, of any size: more than 8 MiB are a `SecretStream`, whose pieces travel while they are written, so that neither
   * end has all of it in memory. It is not sent when the host has a file of the same SHA-256 there.
   */
  dataStream(iden1: string, iden2: string): Promise<Secret | SecretStream>;

  /** The connected user. */
  identity(): Promise<Identity>;
  /** The account with this name or UID; undefined when there is none. */
  user(nameOrUid: string | number): Promise<User | undefined>;
  /** The group with this name or GID; undefined when there is none. */
  group(nameOrGid: string | number): Promise<Group | undefined>;
  /** Names of all groups of the user `name`, the primary one first. */
  groupsOf(name: string): Promise<string[]>;

  /** The status of `path`, following links; undefined when it does not exist. */
  stat(path: string): Promise<FileStat | undefined>;
  /** The status of `path` itself, without following a link; undefined when it does not exist. */
  lstat(path: string): Promise<FileStat | undefined>;
  /** The text of the symbolic link `path`; undefined when it is not a link. */
  readLink(path: string): Promise<string | undefined>;
  /** The absolute path of `path` with all links resolved; undefined when it does not exist. */
  realPath(path: string): Promise<string | undefined>;
  /** True when a file system, or a bound file or directory, is mounted at `path`, following links. */
  isMountPoint(path: string): Promise<boolean>;
  /** The names in a directory, sorted, including hidden ones; undefined when `path` is not a directory. */
  list(path: string): Promise<string[] | undefined>;

  /** The bytes of a file of at most 64 MiB; undefined when it does not exist. */
  readBytes(path: string): Promise<Buffer | undefined>;
  /** The text of a file. Throws `FailedChange` when it does not exist. */
  readFile(path: string): Promise<string>;
  /** True when both paths are regular files with the same bytes. */
  sameContent(path: string, other: string): Promise<boolean>;
  /** The lines of a file without line terminators; an empty list when it does not exist. */
  readLines(path: string): Promise<string[]>;

  /**
   * Replaces the content of `path` atomically (temporary file beside it, fsync, rename). Keeps owner, mode, ACLs and
   * extended attributes of an existing file; follows a link to its file. Other hard links keep the old content. The
   * directory must exist. A file that is itself a mount point cannot be replaced, so it is overwritten in place.
   */
  writeFile(path: string, content: Content | SecretStream, options?: WriteOptions): Promise<void>;
  /** As `writeFile`, but only if content (or mode, when given) differ. Creates missing parent directories. */
  ensureContent(path: string, content: Content | SecretStream, options?: WriteOptions): Promise<Change>;
  /** Replaces the lines of a file by the result of `edit`, if they differ. Keeps the file's line terminators. */
  editLines(
    path: string,
    edit: (lines: readonly string[]) => readonly string[],
    options?: WriteOptions,
  ): Promise<Change>;

  /** Creates the directory `path` and its parents, if missing. `mode` applies only to a directory that is created. */
  makeDirectory(path: string, options?: WriteOptions): Promise<Change>;
  /** Removes `path`, if it exists. A directory needs `recursive`. A link is removed, never followed. */
  remove(path: string, options?: { readonly recursive?: boolean }): Promise<Change>;
  /** Removes everything in the directory `path`, which must exist, but not the directory: it may be a mount point. */
  emptyDirectory(path: string): Promise<Change>;
  /** Removes the empty directory `path`, if it exists. */
  removeEmptyDirectory(path: string): Promise<Change>;
  /**
   * Copies the file `source` to `destination` atomically, with its mode, owner and times, and where the host can (GNU
   * cp) its ACLs and extended attributes. A link at `source` is followed, one at `destination` is replaced.
   */
  copyFile(source: string, destination: string): Promise<void>;
  /** Makes `path` a symbolic link to `to`. Throws `FailedChange` when `path` exists and is not a link. */
  symlink(path: string, to: string): Promise<Change>;
  /** Sets the permission bits of `path`, such as 0o640. */
  setMode(path: string, mode: number): Promise<Change>;
  /** Sets user and group, by name or number. Does not follow a link. */
  setOwner(
    path: string,
    owner: { readonly user?: string | undefined; readonly group?: string | undefined },
  ): Promise<Change>;
  /**
   * Gives what belongs to the user or group `from` to `to`, in the directory `path` and below it, on the same file system.
   * Nothing else is touched; links are not followed. Setuid and setgid bits of files stay, except over a shell, where the
   * kernel clears them.
   */
  reassignOwner(path: string, from: OwnerIds, to: OwnerIds): Promise<Change>;
  /** Renames `from` to `to` atomically, replacing `to`. Both must be on the same file system. */
  rename(from: string, to: string): Promise<void>;

  /**
   * Calls `use` with the absolute path of a new file that no other user may read (mode 0600), with `content` or empty,
   * and resolves to its result. The file is removed afterwards, even when `use` fails or the deployment is cancelled. If
   * the process or the link is killed, it is left behind as `consfigurator.` and 18 digits and letters. It is created in
   * `directory`; default: `$TMPDIR` on the host, or `/tmp`.
   */
  withTemporaryFile<T>(
    use: (path: string) => Promise<T>,
    options?: { readonly content?: Content; readonly directory?: string },
  ): Promise<T>;
  /** As `withTemporaryFile`, with a new, empty directory of mode 0700, which is removed with its contents. */
  withTemporaryDirectory<T>(
    use: (path: string) => Promise<T>,
    options?: { readonly directory?: string },
  ): Promise<T>;

  /** Shows `text` live as output of the current step. */
  inform(text: string): void;
  /** Reports a change that commands made: of a package, an account, a unit, a mount. Files and commands report themselves. */
  report(change: HostChange): void;
  /**
   * Runs `act` after all properties of this deployment, the last registered first; skips it when a failure stopped the
   * deployment. `failed` is true when a step has failed that did not stop it. A second call with the same `key` replaces
   * the first. `act` may resolve to "unchanged", or to the reboot that it has begun: then the deployment ends when the host is
   * back, unless it is nested in another one.
   */
  atEnd(
    key: string,
    act: (target: PosixTarget, result: Change, failed: boolean) => Promise<Change | Reboot> | Promise<void>,
  ): void;
  /**
   * Forgets what this deployment has learnt about the host, such as accounts, packages, and the directory for temporary files:
   * call it after the system beneath the deployment was replaced, or changed in a way that nobody else can know. The memory
   * is emptied; carried values stay.
   */
  forget(): Promise<void>;
  /** A cache that lives as long as this deployment, or until `forget`. */
  readonly memory: Map<string, unknown>;
  /** Flags on the host that outlive the deployment. */
  readonly state: State;
  /** This target with another home directory, or with additional entries in its memory. */
  within(changes: Within): this;
}

/** The changes to a target for a part of a deployment. */
export interface Within {
  /** An absolute path: HOME and working directory of commands, base of relative paths, and `identity().home`. */
  readonly home?: string;
  /** Aborted: commands of the new target are ended, and fail with the reason of the abort. */
  readonly signal?: AbortSignal;
  /** Entries that only the new target has in its memory. */
  readonly memory?: Readonly<Record<string, unknown>>;
}

/**
 * Flags that are set or not, stored on the host for the connected user: files of mode 0600 in a directory of mode 0700,
 * `${XDG_STATE_HOME:-~/.local/state}/consfigurator/pending`. A name has letters, digits, dots, dashes and underscores.
 * The first lookup in a deployment reads all of them.
 */
export interface State {
  /** True when the flag is set. */
  has(name: string): Promise<boolean>;
  /** Sets the flag atomically. `text` explains it to someone who reads the file. */
  set(name: string, text: string): Promise<void>;
  /** Removes the flag, if it is set. With `tidy`, the directories of the flags go, too, when they are empty then. */
  clear(name: string, options?: { readonly tidy?: boolean }): Promise<void>;
}

/** A target inside the agent on the host, where the property may also use any Node API. */
export interface AgentTarget extends PosixTarget {
  readonly kind: "agent";
}
