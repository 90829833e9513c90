import { createHash } from "node:crypto";
import type { Connection } from "../../model/connection";
import { FailedChange } from "../../model/errors";
import { SecretStream } from "../../model/secret-stream";
import type { FileStat, Group, HostParts, Identity, QueryOptions, User } from "../../model/target";
import { EXCERPT } from "../../util/excerpt";
import { shellQuote } from "../../util/shell-quote";
import { findGroup, findUser, parseGroup, parsePasswd } from "../accounts";
import { bare, type Comparison } from "../asking";
import { TargetBase } from "../base";
import { lastReason, type RawResult } from "../command";
import { OUTPUT_LIMIT, OutputLimitExceeded, TOO_LARGE } from "../command-output";
import type { Execution, TargetContext } from "../context";
import type { Bytes } from "../feed";
import { traceCommand } from "../trace";
import { type Answer, Questions } from "./batch";
import { runOver } from "./exec";
import * as scripts from "./scripts";
import { described, parseStat } from "./stat";
import { type Turn, UNPREPARED } from "./turn";

/** What a host that offers nothing but a shell can be asked. */
export abstract class ShellAsking extends TargetBase {
  readonly kind = "posix";
  protected readonly homeWord = '"$HOME"';
  readonly #questions: Questions;

  constructor(
    protected readonly connection: Connection,
    context: TargetContext,
    protected readonly turn: Turn = UNPREPARED,
  ) {
    super(context);
    this.#questions = new Questions((script, shown, { limit }) =>
      this.exec(script, shown, { limit, looks: true }),
    );
  }

  async hasCommand(name: string): Promise<boolean> {
    const script = `command -v ${shellQuote(name)} >/dev/null`;
    return (await this.question(script, `look for the command ${name}`)).exit === 0;
  }

  async user(nameOrUid: string | number): Promise<User | undefined> {
    return findUser(parsePasswd(await this.#account("passwd", nameOrUid)), nameOrUid);
  }

  async group(nameOrGid: string | number): Promise<Group | undefined> {
    return findGroup(parseGroup(await this.#account("group", nameOrGid)), nameOrGid);
  }

  async groupsOf(name: string): Promise<string[]> {
    const script = `id -Gn ${shellQuote(name)}`;
    const { exit, output } = await this.question(script, `look up the groups of ${name}`);
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
    return (await this.#ask(`compare with ${shellQuote(other)}`, path, script, { alone: false }))?.exit === 0;
  }

  protected execute(script: string, how: Execution): Promise<RawResult> {
    return runOver(this.connection, script, how, this.context);
  }

  protected override async inquire(
    script: string,
    how: Execution,
    options: QueryOptions,
  ): Promise<RawResult> {
    const live = async () => {
      const { exit, stdout: output, stderr } = await super.inquire(script, how, options);
      return { exit, output, stderr };
    };
    const { shown, input, excerpt = false, hidden: isHidden } = how;
    const { about, secret = false } = options;
    const isPassing = secret || input !== undefined;
    const question = { script: this.#withHome(script), shown, about, isPassing, isCommand: true, isHidden };
    let answer: Answer = await this.turn.ask(question, live);
    // What is asked ahead is asked whole.
    if (excerpt && answer.output.length > EXCERPT) answer = await live();
    return { exit: answer.exit, stdout: answer.output, stderr: answer.stderr ?? NOTHING };
  }

  async digestOf(path: string): Promise<string> {
    const answer = await this.#ask("read", path, scripts.digest(this.pathWord(path)), { alone: false });
    return answer?.output.toString("latin1").trim() ?? "";
  }

  override async compare(path: string, wanted: Bytes): Promise<Comparison | undefined> {
    if (wanted instanceof SecretStream) return super.compare(path, wanted);
    const digest =
      wanted.length > MOST_FETCHED ? createHash("sha256").update(wanted).digest("hex") : undefined;
    const script = scripts.compare(this.pathWord(path), wanted.length, MOST_FETCHED);
    const limit = Math.max(OUTPUT_LIMIT, wanted.length);
    const answer = await this.#ask("read", path, script, { limit });
    if (!answer) return undefined;
    const { stat, rest } = described(answer);
    const isDigest = digest !== undefined && stat.size === wanted.length && rest.length === 64;
    if (isDigest) return { stat, same: rest.toString() === digest, bytes: undefined };
    const bytes = stat.size === rest.length ? rest : undefined;
    return { stat, bytes, same: bytes?.equals(wanted) === true };
  }

  protected async findTemporary(): Promise<string> {
    const answer = await this.question(scripts.temporaryPlace, "look where temporary files are kept");
    return answer.output.toString("utf8");
  }

  protected async findIdentity(): Promise<Identity> {
    const { exit, output } = await this.question(scripts.identity, "ask who we are");
    const [uid, gid, user = "", home = ""] = output.toString("utf8").split("\n");
    if (exit !== 0)
      throw new FailedChange(`cannot ask who we are on the host: ${lastReason(output.toString("utf8"))}`);
    return { uid: Number(uid), gid: Number(gid), user, home: home || "/" };
  }

  /** The answer to a question about `path`, `alone` or with others; undefined when there is nothing. */
  async #ask(
    what: string,
    path: string,
    script: string,
    { limit, alone = true }: { readonly limit?: number; readonly alone?: boolean } = {},
  ): Promise<Answer | undefined> {
    const file = alone ? { file: this.#placeWord(path), limit } : { limit };
    const asked = this.question(script, `${what} ${shellQuote(path)}`, file);
    const answer = await asked.catch(async (error) => {
      throw error instanceof OutputLimitExceeded ? await this.failure(what, path, TOO_LARGE) : error;
    });
    if (answer.exit === scripts.ABSENT) return undefined;
    if (answer.exit !== 0 && answer.exit !== scripts.OTHER)
      throw await this.failure(what, path, lastReason(answer.output.toString("utf8")));
    return answer;
  }

  async #account(database: "passwd" | "group", key: string | number): Promise<string> {
    const what = `look up the ${database === "passwd" ? "user" : "group"} ${key}`;
    const { output } = await this.question(scripts.account(database, shellQuote(String(key))), what);
    return output.toString("utf8");
  }

  /** The answer to `script`; `file`: the only one that it is about, as a word of shell text. */
  protected question(
    script: string,
    shown: string,
    more: { readonly file?: string; readonly limit?: number | undefined } = {},
  ): Promise<Answer> {
    const question = { script: this.#withHome(script), shown, about: FILES, ...more };
    return this.turn.ask(question, () => this.#questions.ask(script, shown, more.limit));
  }

  /** `script`, which may be run for another target too. */
  #withHome(script: string): string {
    const { home } = this.context;
    return home === undefined ? script : `HOME=${shellQuote(home)}; export HOME\n${script}`;
  }

  #placeWord(path: string): string {
    const { home } = this.context;
    return home === undefined || path.startsWith("/") ? this.pathWord(path) : shellQuote(`${home}/${path}`);
  }

  /** Runs `script`. */
  protected exec(
    script: string,
    shown: string,
    more: { readonly input?: Bytes | undefined; readonly limit?: number; readonly looks?: boolean },
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

/** What these answers depend on: files, which packages and accounts bring along. */
const FILES: HostParts = { paths: ["/"], additions: true, packages: true, accounts: true };

const NOTHING = Buffer.alloc(0);

/** A file larger than this, in bytes, is compared by its digest. */
export const MOST_FETCHED = 16_384;
