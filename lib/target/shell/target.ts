import { randomBytes } from "node:crypto";
import { FailedChange } from "../../model/errors";
import type { FileStat, OwnerIds, RunOptions } from "../../model/target";
import { shellQuote } from "../../util/shell-quote";
import { bare } from "../asking";
import { lastReason, type RawResult } from "../command";
import type { Execution, PutOptions, TargetContext } from "../context";
import { type Bytes, sizeOf } from "../feed";
import type { FileImage } from "../file-change";
import type { FlagStore } from "../pending-flags";
import * as acts from "./acts";
import { MOST_FETCHED, ShellAsking } from "./asking";
import * as scripts from "./scripts";
import { described, parseStat } from "./stat";
import type { Changed } from "./turn";

/**
 * A host at the end of a connection that offers nothing but a shell. What fails there is a `FailedChange`; a link that
 * is lost is a `ConnectionFailed`, never an answer.
 */
export class ShellTarget extends ShellAsking {
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
    await this.copied(source, destination);
  }

  protected override async copied(
    source: string,
    destination: string,
  ): Promise<readonly (FileStat | undefined)[]> {
    const script = acts.copyFile(this.pathWord(source), this.pathWord(destination), unique());
    const printed = await this.#act(`copy ${shellQuote(source)} to`, destination, script);
    const [after, before] = acts.partIn(printed).toString("latin1").trim().split("\n").map(parseStat);
    return [before, after];
  }

  protected async reassign(path: string, from: OwnerIds, to: OwnerIds): Promise<boolean> {
    const script = acts.reassignOwner(this.pathWord(path), from, to);
    const { length } = await this.#act("change the owner of what is in", path, script);
    return length > 0;
  }

  protected derive(context: TargetContext): this {
    return new ShellTarget(this.connection, context, this.turn) as this;
  }

  protected flagStore(): FlagStore {
    return {
      list: async () => {
        const { exit, output } = await this.question(scripts.listFlags, "list flags");
        if (exit !== 0) throw new FailedChange(lastReason(output.toString("utf8")));
        return output
          .toString("utf8")
          .split("\n")
          .filter((name) => name !== "");
      },
      write: (name, text) =>
        this.#leave("write the flag", name, scripts.setFlag(shellQuote(name), unique()), Buffer.from(text)),
      remove: (name, tidy) => this.#leave("remove the flag", name, scripts.clearFlag(shellQuote(name), tidy)),
    };
  }

  protected override act(script: string, how: Execution, options: RunOptions): Promise<RawResult> {
    const { predict, touches } = options;
    // What `predict` does is not known here.
    const changed: Changed = touches && !predict ? { parts: touches } : undefined;
    return this.turn.act(
      () => super.act(script, how, options),
      () => changed,
    );
  }

  override async forget(): Promise<void> {
    await super.forget();
    // What other steps have asked ahead of their turn does not count any more either.
    await this.turn.act(async () => {});
  }

  protected async put(path: string, content: Bytes, options: PutOptions): Promise<void> {
    await this.#put(path, content, options, undefined);
  }

  protected override async replace(
    path: string,
    content: Bytes,
    options: PutOptions,
  ): Promise<FileImage | undefined> {
    const before = acts.partIn(await this.#put(path, content, options, MOST_FETCHED));
    if (before.length === 0) return undefined;
    const { stat, rest } = described({ exit: 0, output: before });
    return { ...stat, bytes: rest.length === stat.size ? rest : undefined };
  }

  /** `shows`: of the file as it was, what is printed, in bytes; undefined: nothing. */
  #put(
    path: string,
    content: Bytes,
    { mode, parents = false, expected }: PutOptions,
    shows: number | undefined,
  ): Promise<Buffer> {
    const script = acts.put({
      path: this.pathWord(path),
      unique: unique(),
      size: sizeOf(content),
      mode: mode === undefined ? undefined : octal(mode),
      parents,
      expected,
      shows,
    });
    return this.#act("write", path, script, content);
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

  protected async makePrivate(path: string, content: Buffer | undefined): Promise<void> {
    const word = this.pathWord(path);
    if (content)
      await this.#act("make the temporary file", path, acts.privateFile(word, content.length), content);
    else await this.#act("make the temporary directory", path, acts.privateDirectory(word));
  }

  protected discard(path: string): Promise<void> {
    return this.#leave("remove", path, acts.discard(this.pathWord(path)));
  }

  protected async changeMode(path: string, mode: number): Promise<void> {
    await this.#act("set the mode of", path, acts.setMode(this.pathWord(path), octal(mode)));
  }

  protected async changeOwner(path: string, uid: number, gid: number): Promise<void> {
    await this.#act("set the owner of", path, acts.setOwner(this.pathWord(bare(path)), `${uid}:${gid}`));
  }

  /** Does something to `path`; returns what it prints. */
  #act(what: string, path: string, script: string, input?: Bytes): Promise<Buffer> {
    return this.turn.act(
      async () => {
        const { exit, stdout, stderr } = await this.exec(script, `${what} ${shellQuote(path)}`, { input });
        if (exit !== 0) throw await this.failure(what, path, lastReason(stderr.toString("utf8")));
        return stdout;
      },
      (printed) => acts.changedIn(printed),
    );
  }

  /** As `#act`, also when the deployment was cancelled: it is done for the next one. */
  async #leave(what: string, name: string, script: string, input?: Buffer): Promise<void> {
    const target = new ShellTarget(this.connection, { ...this.context, signal: NEVER }, this.turn);
    await target.#act(what, name, script, input);
  }
}

const NEVER = new AbortController().signal;

const unique = (): string => randomBytes(9).toString("hex");

/** Five digits: with fewer, GNU chmod keeps setuid and setgid of directories. */
const octal = (mode: number): string => mode.toString(8).padStart(5, "0");
