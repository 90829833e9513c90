import { type CommandResult, FailedChange } from "../model/errors";
import type { HostFacts } from "../model/host-facts";
import type {
  Command,
  FileStat,
  Group,
  Identity,
  PosixTarget,
  QueryOptions,
  RunOptions,
  State,
  User,
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
import { OUTPUT_LIMIT } from "./command-output";
import type { Execution, TargetContext } from "./context";
import { MOST_DIFFED } from "./file-change";
import { mountPoints } from "./mounts";
import { type FlagStore, PendingFlags } from "./pending-flags";
import { decode, splitLines } from "./text";
import { traceCommand } from "./trace";

/** What every target can be asked, and how it runs commands, built on what each does in its own way. */
export abstract class AskingTarget {
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

  /** Where flags are stored. */
  protected abstract flagStore(): FlagStore;

  /** Runs `script` with sh, in any directory. Throws only if the script cannot be run. */
  protected abstract execute(script: string, how: Execution): Promise<RawResult>;
  /** The home directory of the connected user, as one word of shell text. */
  protected abstract readonly homeWord: string;
  /** True: `execute` sets `env` itself, so that no other user can see it in the process list. */
  protected readonly setsEnvironment: boolean = false;

  protected abstract findIdentity(): Promise<Identity>;

  /** The bytes and the stat of the file `path`, of one and the same file; undefined when it does not exist. */
  abstract readWithStat(path: string, limit?: number): Promise<{ bytes: Buffer; stat: FileStat } | undefined>;

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

  query(command: Command, options: QueryOptions = {}): Promise<CommandResult> {
    return this.perform(command, options);
  }

  /** Runs `command`. */
  protected async perform(command: Command, options: RunOptions): Promise<CommandResult> {
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

  async succeeds(command: Command, options: QueryOptions = {}): Promise<boolean> {
    return (await this.query(command, { excerpt: true, ...options, mayFail: true })).exit === 0;
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

  /** Compares the file `path`, links followed, with `wanted`; undefined when it does not exist. */
  async compare(path: string, wanted: Buffer): Promise<Comparison | undefined> {
    const stat = await this.stat(path);
    if (!stat) return undefined;
    const isRead = stat.type !== "file" || stat.size === wanted.length || stat.size <= MOST_DIFFED;
    const found = isRead ? await this.readWithStat(path, Math.max(OUTPUT_LIMIT, wanted.length)) : undefined;
    return { stat, bytes: found?.bytes, same: found?.bytes.equals(wanted) === true };
  }

  async readBytes(path: string): Promise<Buffer | undefined> {
    return (await this.readWithStat(path))?.bytes;
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
}

/** What `compare` has seen: `bytes` are those of the file, unless it is too large to be fetched. */
export interface Comparison {
  readonly stat: FileStat;
  readonly same: boolean;
  readonly bytes: Buffer | undefined;
}

/** `path` without slashes at its end, which would follow a link. */
export const bare = (path: string): string => path.replace(/(?<=.)\/+$/, "");
