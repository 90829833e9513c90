import { createHash, randomBytes } from "node:crypto";
import type { Connection } from "../../model/connection";
import { FailedChange } from "../../model/errors";
import type { FileStat, Group, Identity, OwnerIds, User } from "../../model/target";
import { shellQuote } from "../../util/shell-quote";
import { findGroup, findUser, parseGroup, parsePasswd } from "../accounts";
import { bare, type Comparison } from "../asking";
import { TargetBase } from "../base";
import { lastReason, onOneLine, type RawResult, scriptFrom, travelsApart } from "../command";
import { OUTPUT_LIMIT, OutputLimitExceeded, TOO_LARGE } from "../command-output";
import type { Execution, PutOptions, TargetContext } from "../context";
import type { FlagStore } from "../pending-flags";
import { traceCommand } from "../trace";
import * as acts from "./acts";
import { type Answer, Questions } from "./batch";
import { execOver } from "./exec";
import * as scripts from "./scripts";
import { described, parseStat } from "./stat";

/**
 * A host at the end of a connection that offers nothing but a shell. What fails there is a `FailedChange`; a link that
 * is lost is a `ConnectionFailed`, never an answer.
 */
export class ShellTarget extends TargetBase {
  readonly kind = "posix";
  protected readonly homeWord = '"$HOME"';
  readonly #questions: Questions;

  constructor(
    private readonly connection: Connection,
    context: TargetContext,
  ) {
    super(context);
    this.#questions = new Questions((script, shown, limit) =>
      this.#exec(script, shown, { limit, looks: true }),
    );
  }

  async hasCommand(name: string): Promise<boolean> {
    return (
      (await this.#questions.ask(`command -v ${shellQuote(name)} >/dev/null`, `look for the command ${name}`))
        .exit === 0
    );
  }

  async user(nameOrUid: string | number): Promise<User | undefined> {
    return findUser(parsePasswd(await this.#account("passwd", nameOrUid)), nameOrUid);
  }

  async group(nameOrGid: string | number): Promise<Group | undefined> {
    return findGroup(parseGroup(await this.#account("group", nameOrGid)), nameOrGid);
  }

  async groupsOf(name: string): Promise<string[]> {
    const { exit, output } = await this.#questions.ask(
      `id -Gn ${shellQuote(name)}`,
      `look up the groups of ${name}`,
    );
    if (exit !== 0) throw new FailedChange(`there is no user ${shellQuote(name)} on this host`);
    return output.toString("utf8").trim().split(" ");
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const answer = await this.#ask("look at", path, scripts.stat(this.pathWord(path)));
    return answer && parseStat(answer.output.toString("latin1"));
  }

  async lstat(path: string): Promise<FileStat | undefined> {
    const answer = await this.#ask("look at", path, scripts.lstat(this.pathWord(bare(path))));
    return answer && parseStat(answer.output.toString("latin1"));
  }

  async readLink(path: string): Promise<string | undefined> {
    const answer = await this.#ask("read the link", path, scripts.readLink(this.pathWord(bare(path))));
    return answer?.exit === 0 ? answer.output.toString("utf8").replace(/\n$/, "") : undefined;
  }

  async realPath(path: string): Promise<string | undefined> {
    const answer = await this.#ask("follow the links of", path, scripts.realPath(this.pathWord(path)));
    return answer?.output.toString("utf8").replace(/\n$/, "");
  }

  async list(path: string): Promise<string[] | undefined> {
    const answer = await this.#ask("list", path, scripts.list(this.pathWord(path)));
    return answer?.exit === 0 ? answer.output.toString("utf8").split("\0").slice(0, -1).sort() : undefined;
  }

  async readWithStat(path: string): Promise<{ bytes: Buffer; stat: FileStat } | undefined> {
    const answer = await this.#ask("read", path, scripts.look(this.pathWord(path)));
    if (!answer) return undefined;
    const { stat, rest } = described(answer);
    return { bytes: rest, stat };
  }

  async sameContent(path: string, other: string): Promise<boolean> {
    const script = scripts.sameContent(this.pathWord(path), this.pathWord(other));
    return (await this.#ask(`compare with ${shellQuote(other)}`, path, script))?.exit === 0;
  }

  protected async createDirectory(path: string, mode: number | undefined): Promise<void> {
    const bits = mode === undefined ? undefined : octal(mode);
    await this.#act("make the directory", path, acts.makeDirectory(this.pathWord(path), bits));
  }

  protected async removeDirectory(path: string): Promise<void> {
    await this.#act("remove", path, acts.removeEmptyDirectory(this.pathWord(path)));
  }

  protected async replaceLink(path: string, to: string): Promise<void> {
    await this.#act("make the link", path, acts.symlink(this.pathWord(path), shellQuote(to), unique()));
  }

  protected async move(from: string, to: string): Promise<void> {
    const script = acts.rename(this.pathWord(from), this.pathWord(to));
    await this.#act(`rename ${shellQuote(from)} to`, to, script);
  }

  protected async duplicate(source: string, destination: string): Promise<void> {
    const script = acts.copyFile(this.pathWord(source), this.pathWord(destination), unique());
    await this.#act(`copy ${shellQuote(source)} to`, destination, script);
  }

  protected async reassign(path: string, from: OwnerIds, to: OwnerIds): Promise<boolean> {
    const script = acts.reassignOwner(this.pathWord(path), from, to);
    const { length } = await this.#act("change the owner of what is in", path, script);
    return length > 0;
  }

  protected derive(context: TargetContext): this {
    return new ShellTarget(this.connection, context) as this;
  }

  protected flagStore(): FlagStore {
    return {
      list: async () => {
        const { exit, output } = await this.#questions.ask(scripts.listFlags, "list flags");
        if (exit !== 0) throw new FailedChange(lastReason(output.toString("utf8")));
        return output
          .toString("utf8")
          .split("\n")
          .filter((name) => name !== "");
      },
      write: (name, text) =>
        this.#leave("write the flag", name, scripts.setFlag(shellQuote(name), unique()), Buffer.from(text)),
      remove: (name) => this.#leave("remove the flag", name, scripts.clearFlag(shellQuote(name))),
    };
  }

  protected execute(script: string, how: Execution): Promise<RawResult> {
    const { home, signal } = this.context;
    const setHome = home === undefined ? ': "${HOME:=/}"' : `HOME=${shellQuote(home)}`;
    const whole = `${setHome}; export HOME\n${script}`;
    if (!travelsApart(whole, how)) return execOver(this.connection, whole, how, signal);
    const input = Buffer.concat([Buffer.from(onOneLine(whole)), how.input ?? Buffer.alloc(0)]);
    return execOver(this.connection, scriptFrom(0), { ...how, input, looks: false }, signal);
  }

  override async compare(path: string, wanted: Buffer): Promise<Comparison | undefined> {
    const digest =
      wanted.length > MOST_FETCHED ? createHash("sha256").update(wanted).digest("hex") : undefined;
    const script = scripts.compare(this.pathWord(path), wanted.length, MOST_FETCHED);
    const answer = await this.#ask("read", path, script, Math.max(OUTPUT_LIMIT, wanted.length));
    if (!answer) return undefined;
    const { stat, rest } = described(answer);
    const isDigest = digest !== undefined && stat.size === wanted.length && rest.length === 64;
    if (isDigest) return { stat, same: rest.toString() === digest, bytes: undefined };
    const bytes = stat.size === rest.length ? rest : undefined;
    return { stat, bytes, same: bytes?.equals(wanted) === true };
  }

  protected async put(
    path: string,
    content: Buffer,
    { mode, parents = false, expected }: PutOptions,
  ): Promise<void> {
    const script = acts.put({
      path: this.pathWord(path),
      unique: unique(),
      size: content.length,
      mode: mode === undefined ? undefined : octal(mode),
      parents,
      expected,
    });
    await this.#act("write", path, script, content);
  }

  protected async unlink(path: string): Promise<void> {
    await this.#act("remove", path, acts.unlink(this.pathWord(bare(path))));
  }

  protected async removeTree(path: string): Promise<void> {
    await this.#act("remove", path, acts.removeTree(this.pathWord(bare(path))));
  }

  protected async clear(path: string): Promise<void> {
    await this.#act("empty", path, acts.clear(this.pathWord(path)));
  }

  protected async findTemporary(): Promise<string> {
    return (
      await this.#questions.ask(scripts.temporaryPlace, "look where temporary files are kept")
    ).output.toString("utf8");
  }

  protected async makePrivate(path: string, content: Buffer | undefined): Promise<void> {
    const word = this.pathWord(path);
    if (content)
      await this.#act("make the temporary file", path, acts.privateFile(word, content.length), content);
    else await this.#act("make the temporary directory", path, acts.privateDirectory(word));
  }

  protected discard(path: string): Promise<void> {
    return this.#leave("remove", path, acts.discard(this.pathWord(path)));
  }

  protected async findIdentity(): Promise<Identity> {
    const { exit, output } = await this.#questions.ask(scripts.identity, "ask who we are");
    const [uid, gid, user = "", home = ""] = output.toString("utf8").split("\n");
    if (exit !== 0)
      throw new FailedChange(`cannot ask who we are on the host: ${lastReason(output.toString("utf8"))}`);
    return { uid: Number(uid), gid: Number(gid), user, home: home || "/" };
  }

  protected async changeMode(path: string, mode: number): Promise<void> {
    await this.#act("set the mode of", path, acts.setMode(this.pathWord(path), octal(mode)));
  }

  protected async changeOwner(path: string, uid: number, gid: number): Promise<void> {
    await this.#act("set the owner of", path, acts.setOwner(this.pathWord(bare(path)), `${uid}:${gid}`));
  }

  /** The answer to a question about `path`; undefined when there is nothing. */
  async #ask(what: string, path: string, script: string, limit?: number): Promise<Answer | undefined> {
    const asked = this.#questions.ask(script, `${what} ${shellQuote(path)}`, limit);
    const answer = await asked.catch(async (error) => {
      throw error instanceof OutputLimitExceeded ? await this.failure(what, path, TOO_LARGE) : error;
    });
    if (answer.exit === scripts.ABSENT) return undefined;
    if (answer.exit !== 0 && answer.exit !== scripts.OTHER)
      throw await this.failure(what, path, lastReason(answer.output.toString("utf8")));
    return answer;
  }

  async #account(database: "passwd" | "group", key: string | number): Promise<string> {
    const { output } = await this.#questions.ask(
      scripts.account(database, shellQuote(String(key))),
      `look up the ${database === "passwd" ? "user" : "group"} ${key}`,
    );
    return output.toString("utf8");
  }

  /** Does something to `path`; returns what it prints. */
  async #act(what: string, path: string, script: string, input?: Buffer): Promise<Buffer> {
    const { exit, stdout, stderr } = await this.#exec(script, `${what} ${shellQuote(path)}`, { input });
    if (exit !== 0) throw await this.failure(what, path, lastReason(stderr.toString("utf8")));
    return stdout;
  }

  /** As `#act`, also when the deployment was cancelled: it is done for the next one. */
  async #leave(what: string, name: string, script: string, input?: Buffer): Promise<void> {
    await new ShellTarget(this.connection, { ...this.context, signal: NEVER }).#act(
      what,
      name,
      script,
      input,
    );
  }

  #exec(
    script: string,
    shown: string,
    more: { readonly input?: Buffer | undefined; readonly limit?: number; readonly looks?: boolean },
  ): Promise<RawResult> {
    const { input, limit, looks = false } = more;
    const how: Execution = {
      input,
      env: undefined,
      output: undefined,
      shown,
      looks,
      ...(limit && { limit }),
    };
    return traceCommand(this.context, shown, () => this.execute(script, how));
  }
}

const NEVER = new AbortController().signal;

/** A file larger than this, in bytes, is compared by its digest. */
const MOST_FETCHED = 16_384;

const unique = (): string => randomBytes(9).toString("hex");

/** Five digits: with fewer, GNU chmod keeps setuid and setgid of directories. */
const octal = (mode: number): string => mode.toString(8).padStart(5, "0");
