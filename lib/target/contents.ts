import type { HostChange } from "../model/changes";
import { type CommandResult, FailedChange, RunFailed } from "../model/errors";
import { type Content, Secret } from "../model/secret";
import { SecretStream } from "../model/secret-stream";
import type { Command, PosixTarget, RunOptions, WriteOptions } from "../model/target";
import type { Change } from "../model/types";
import { AskingTarget, type Comparison } from "./asking";
import { type RawResult, shownCommand } from "./command";
import type { Execution, PutOptions } from "./context";
import { type Bytes, sizeOf } from "./feed";
import { type FileImage, fileChange } from "./file-change";
import { TEMPORARIES } from "./memory";
import { temporarily } from "./temporary";
import { contentBytes, decode, encode, splitLines } from "./text";
import { traceCommand } from "./trace";

const isSecret = (content: Content | SecretStream): boolean =>
  content instanceof Secret || content instanceof SecretStream;

const bytesOf = (content: Content | SecretStream): Bytes =>
  content instanceof SecretStream ? content : contentBytes(content);

async function validate(content: Bytes, options: WriteOptions): Promise<void> {
  if (!options.validate) return;
  if (content instanceof SecretStream)
    throw new FailedChange("content that comes in pieces cannot be validated; get it with target.data");
  await options.validate(content);
}

/** What every target does with commands, the contents of files and temporary files, built on what each does in its own way. */
export abstract class ContentsTarget extends AskingTarget {
  /** Replaces the file as documented for `writeFile`. */
  protected abstract put(path: string, content: Bytes, options: PutOptions): Promise<void>;
  /** The absolute path of the directory for temporary files. */
  protected abstract findTemporary(): Promise<string>;
  /** Creates a file that only this user can read, or a directory if there is no `content`. Fails if the path exists. */
  protected abstract makePrivate(path: string, content: Buffer | undefined): Promise<void>;
  /** Removes `path` with everything in it, even after the deployment was cancelled. */
  protected abstract discard(path: string): Promise<void>;

  async run(command: Command, options: RunOptions = {}): Promise<CommandResult> {
    const change = { kind: "command", command: shownCommand(command, options) } as const;
    const act = (script: string, how: Execution) => this.act(script, how, options);
    const isVerbose = this.context.ran !== undefined;
    try {
      const result = await this.perform(command, options, act, options.inform || isVerbose);
      this.report(change);
      return result;
    } catch (error) {
      // It ran, and may have changed something before it failed.
      if (error instanceof RunFailed) this.report(change);
      throw error;
    }
  }

  /** Runs `script`, which acts. */
  protected act(script: string, how: Execution, _options: RunOptions): Promise<RawResult> {
    return traceCommand(this.context, how.shown, () => this.execute(script, how));
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
    const known = this.memory.get(TEMPORARIES) as Set<string> | undefined;
    const all = known ?? new Set();
    if (!known) this.memory.set(TEMPORARIES, all);
    return all;
  }

  async writeFile(path: string, content: Content | SecretStream, options: WriteOptions = {}): Promise<void> {
    const wanted = bytesOf(content);
    const how = { ...options, secret: isSecret(content) };
    await validate(wanted, options);
    if (!this.context.changed) return this.put(path, wanted, how);
    const before = await this.replace(path, wanted, how);
    await this.#reportWritten(path, before, wanted, how);
  }

  async ensureContent(
    path: string,
    content: Content | SecretStream,
    options: WriteOptions = {},
  ): Promise<Change> {
    const wanted = bytesOf(content);
    const found = await this.compare(path, wanted);
    const modeHolds = options.mode === undefined || found?.stat.mode === options.mode;
    if (found?.same && modeHolds) return "unchanged";
    const how = { ...options, parents: true, secret: isSecret(content) };
    await this.#write(path, wanted, how, found);
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
    content: Bytes,
    options: PutOptions,
    found: (Pick<Comparison, "stat" | "bytes"> & Partial<Comparison>) | undefined,
  ): Promise<void> {
    if (!found?.same) await validate(content, options);
    await this.put(path, content, options);
    const before = found && { ...found.stat, bytes: found.bytes };
    await this.#reportWritten(path, before, content, options);
  }

  async #reportWritten(
    path: string,
    before: FileImage | undefined,
    content: Bytes,
    { mode = before?.mode ?? 0o644, secret }: PutOptions,
  ): Promise<void> {
    if (!this.context.changed) return;
    const isStream = content instanceof SecretStream;
    const after = {
      size: sizeOf(content),
      bytes: isStream ? undefined : content,
      ...(isStream && { sha256: content.sha256 }),
      mode,
      secret,
    };
    this.report(await fileChange(path, before, after, this.context.digestKey));
  }

  /** As `put`; resolves to the file as it was before, for the report: `put` itself says why it cannot be written. */
  protected async replace(path: string, content: Bytes, options: PutOptions): Promise<FileImage | undefined> {
    const found = await this.compare(path, content).catch(() => undefined);
    await this.put(path, content, options);
    return found && { ...found.stat, bytes: found.bytes };
  }

  withTemporaryFile<T>(
    use: (path: string) => Promise<T>,
    { content = "", directory }: Parameters<PosixTarget["withTemporaryFile"]>[1] = {},
  ): Promise<T> {
    return this.#withTemporary(use, directory, contentBytes(content));
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
}
