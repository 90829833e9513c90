import { type CommandResult, FailedChange, MissingData, UnrequiredData } from "../model/errors";
import { type HostFacts, shared } from "../model/host-facts";
import type { LargeDatum } from "../model/questions";
import { Secret } from "../model/secret";
import { SecretStream } from "../model/secret-stream";
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
import type { Kind } from "../model/types";
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
import type { Bytes } from "./feed";
import { MOST_DIFFED } from "./file-change";
import { Mask } from "./mask";
import { forgetLearnt } from "./memory";
import { mountPoints } from "./mounts";
import { type FlagStore, PendingFlags } from "./pending-flags";
import { contentBytes, decode, splitLines } from "./text";
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
    return this.perform(command, options, (script, how) => this.inquire(script, how, options));
  }

  /** Runs `script`, which only asks. */
  protected inquire(script: string, how: Execution, _options: QueryOptions): Promise<RawResult> {
    return traceCommand(this.context, how.shown, () => this.execute(script, how));
  }

  /** Runs `command` with `execute`. `shows`: what it prints is output of the step. */
  protected async perform(
    command: Command,
    options: RunOptions,
    execute: (script: string, how: Execution) => Promise<RawResult>,
    shows = false,
  ): Promise<CommandResult> {
    const { cwd, env, input } = options;
    const there = cwd === undefined ? this.homeWord : this.pathWord(cwd);
    const script = this.setsEnvironment
      ? inDirectory(there, commandText(command))
      : LOCALE_LINE + inDirectory(there, commandText(command), exported(env));
    const output: Execution["output"] =
      shows && !options.secret ? (stream, text) => this.context.output(stream, text) : undefined;
    const masked = output && input instanceof Secret ? new Mask(input).passing(output) : undefined;
    const how: Execution = {
      input: input === undefined || input instanceof SecretStream ? input : contentBytes(input),
      env,
      output: masked?.output ?? output,
      excerpt: options.excerpt ?? options.inform ?? false,
      shown: shownCommand(command, options),
      hidden: options.secret === true || (!this.setsEnvironment && Object.keys(env ?? {}).length > 0),
    };
    const raw = await execute(script, how).finally(() => masked?.end());
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

  /** The SHA-256 of the file `path`, which exists. */
  abstract digestOf(path: string): Promise<string>;

  /** Compares the file `path`, links followed, with `wanted`; undefined when it does not exist. */
  async compare(path: string, wanted: Bytes): Promise<Comparison | undefined> {
    const stat = await this.stat(path);
    if (!stat) return undefined;
    if (wanted instanceof SecretStream) {
      const mayBe = stat.type === "file" && stat.size === wanted.size;
      return { stat, bytes: undefined, same: mayBe && (await this.digestOf(path)) === wanted.sha256 };
    }
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

  async data(iden1: string, iden2: string): Promise<Secret> {
    const found = await this.#datum(iden1, iden2);
    if (found instanceof Uint8Array) return new Secret(found);
    const stream = new SecretStream(found);
    if (stream.size > OUTPUT_LIMIT)
      throw new FailedChange(
        `the data (${iden1}, ${iden2}) has ${stream.size} bytes, more than the ${OUTPUT_LIMIT} that target.data has in memory; get it with target.dataStream`,
      );
    const pieces: Buffer[] = [];
    for await (const piece of stream.pieces()) pieces.push(Buffer.from(piece));
    return new Secret(Buffer.concat(pieces));
  }

  async dataStream(iden1: string, iden2: string): Promise<Secret | SecretStream> {
    const found = await this.#datum(iden1, iden2);
    return found instanceof Uint8Array ? new Secret(found) : new SecretStream(found);
  }

  async #datum(iden1: string, iden2: string): Promise<Buffer | LargeDatum> {
    const required = this.host.all(shared.data).some(([one, two]) => one === iden1 && two === iden2);
    if (!required)
      throw new UnrequiredData(
        `the data (${iden1}, ${iden2}) is used but not required; call host.requireData with it in hostattrs`,
      );
    if (!this.context.data) throw new MissingData("there are no sources of data here");
    return this.context.data(iden1, iden2);
  }

  inform(text: string): void {
    this.context.output("stdout", text.endsWith("\n") ? text : `${text}\n`);
  }

  atEnd(...[key, act]: Parameters<PosixTarget["atEnd"]>): void {
    this.context.atEnd(key, act);
  }

  async forget(): Promise<void> {
    forgetLearnt(this.memory);
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
