import * as fs from "node:fs";
import { FailedChange } from "../../model/errors";
import type { AgentTarget, FileStat, Group, Identity, OwnerIds, User } from "../../model/target";
import { fileDigest } from "../../util/file-digest";
import { shellQuote } from "../../util/shell-quote";
import { findGroup, findUser, groupNames, parseGroup, parsePasswd } from "../accounts";
import { bare } from "../asking";
import { TargetBase } from "../base";
import { LOCALE, lastReason, type RawResult } from "../command";
import { OUTPUT_LIMIT } from "../command-output";
import type { Execution, PutOptions, TargetContext } from "../context";
import type { Bytes } from "../feed";
import type { FlagStore } from "../pending-flags";
import { traceCommand } from "../trace";
import { copyFile, makeDirectory, reassignBelow, replaceLink } from "./acts";
import { ifExists, lookAt, lookAtLink, readWithStat, sameBytes } from "./files";
import { localFlags } from "./pending-flags";
import {
  Entry,
  PathRefused,
  refuseReplaceable,
  removeTree,
  withDirectory,
  withEntry,
  withHandle,
} from "./pinned";
import { replaceFile } from "./replace-file";
import { spawnShell } from "./spawn";

/** The machine this process runs on: everything but `run` is a direct system call. */
export class LocalTarget extends TargetBase implements AgentTarget {
  readonly kind = "agent";
  protected override readonly setsEnvironment = true;

  async hasCommand(name: string): Promise<boolean> {
    const places = name.includes("/")
      ? [""]
      : (process.env["PATH"] ?? "/usr/bin:/bin").split(":").map((place) => `${place || "."}/`);
    return places.some((place) => isExecutable(place + name));
  }

  async user(nameOrUid: string | number): Promise<User | undefined> {
    return (
      findUser(parsePasswd(textOf("/etc/passwd")), nameOrUid) ??
      findUser(parsePasswd(await this.#getent("passwd", nameOrUid)), nameOrUid)
    );
  }

  async group(nameOrGid: string | number): Promise<Group | undefined> {
    return (
      findGroup(parseGroup(textOf("/etc/group")), nameOrGid) ??
      findGroup(parseGroup(await this.#getent("group", nameOrGid)), nameOrGid)
    );
  }

  async groupsOf(name: string): Promise<string[]> {
    const user = findUser(parsePasswd(textOf("/etc/passwd")), name);
    if (!user || elsewhere("group", "systemd")) {
      const { exit, stdout } = await this.run(["id", "-Gn", name], { mayFail: true, cwd: "/" });
      if (exit !== 0) throw noSuchUser(name);
      return stdout.trim().split(" ");
    }
    return groupNames(user, parseGroup(textOf("/etc/group")));
  }

  async stat(name: string): Promise<FileStat | undefined> {
    return this.#attempt("look at", name, (file) => lookAt(file));
  }

  async lstat(name: string): Promise<FileStat | undefined> {
    return this.#attempt("look at", name, (file) => lookAtLink(bare(file)));
  }

  async readLink(name: string): Promise<string | undefined> {
    return this.#attempt("read the link", name, (file) => {
      const link = bare(file);
      return ifExists(() => fs.lstatSync(link))?.isSymbolicLink() ? fs.readlinkSync(link) : undefined;
    });
  }

  async realPath(name: string): Promise<string | undefined> {
    return this.#attempt("follow the links of", name, (file) => ifExists(() => fs.realpathSync(file)));
  }

  async list(name: string): Promise<string[] | undefined> {
    return this.#attempt("list", name, (directory) =>
      ifExists(() => fs.statSync(directory))?.isDirectory() ? fs.readdirSync(directory).sort() : undefined,
    );
  }

  async readWithStat(
    name: string,
    limit = OUTPUT_LIMIT,
  ): Promise<{ bytes: Buffer; stat: FileStat } | undefined> {
    const stat = await this.stat(name);
    if (!stat) return undefined;
    if (stat.type === "directory") throw await this.failure("read", name, "it is a directory");
    if (stat.type !== "file") throw await this.failure("read", name, "it is not a regular file");
    return this.#attempt("read", name, (file) => readWithStat(file, limit));
  }

  digestOf(name: string): Promise<string> {
    return this.#attempt("read", name, fileDigest);
  }

  async sameContent(name: string, other: string): Promise<boolean> {
    const [one, two] = await Promise.all([this.stat(name), this.stat(other)]);
    if (one?.type !== "file" || two?.type !== "file" || one.size !== two.size) return false;
    const against = this.#absolute(other);
    return this.#attempt(`compare with ${shellQuote(other)}`, name, (file) => sameBytes(file, against));
  }

  protected createDirectory(name: string, mode: number | undefined): Promise<void> {
    return this.#attempt("make the directory", name, (directory) =>
      withEntry(directory, { follow: true, parents: true }, (entry) => makeDirectory(entry, mode)),
    );
  }

  protected removeDirectory(name: string): Promise<void> {
    return this.#attempt("remove", name, (file) => withEntry(file, {}, (entry) => fs.rmdirSync(entry.path)));
  }

  protected replaceLink(name: string, to: string): Promise<void> {
    return this.#attempt("make the link", name, (file) =>
      withEntry(file, {}, (entry) => replaceLink(entry, to)),
    );
  }

  protected move(from: string, to: string): Promise<void> {
    return this.#attempt(`rename ${shellQuote(from)} to`, to, (file) =>
      withEntry(this.#absolute(from), {}, (source) =>
        withEntry(file, {}, (target) => fs.renameSync(source.path, target.path)),
      ),
    );
  }

  protected duplicate(source: string, destination: string): Promise<void> {
    return this.#attempt(`copy ${shellQuote(source)} to`, destination, (file) =>
      copyFile(this.#absolute(source), file, (shown, run) => traceCommand(this.context, shown, run)),
    );
  }

  protected reassign(name: string, from: OwnerIds, to: OwnerIds): Promise<boolean> {
    return this.#attempt("change the owner of what is in", name, (file) =>
      withDirectory(file, (directory) => reassignBelow(directory, from, to)),
    );
  }

  protected get homeWord(): string {
    return shellQuote(this.#home);
  }

  protected derive(context: TargetContext): this {
    return new LocalTarget(context) as this;
  }

  protected flagStore(): FlagStore {
    return localFlags;
  }

  protected execute(script: string, how: Execution): Promise<RawResult> {
    this.refuseWhenCancelled(`\`${how.shown}\` was not started`);
    const env: NodeJS.ProcessEnv = { ...process.env, HOME: this.#home };
    for (const [name, value] of Object.entries({ ...LOCALE, ...how.env })) {
      if (value === null) delete env[name];
      else env[name] = value;
    }
    return spawnShell(script, how, env, this.context.signal);
  }

  protected async put(name: string, content: Bytes, options: PutOptions): Promise<void> {
    this.refuseWhenCancelled(`${shellQuote(name)} was not written`);
    await this.#attempt("write", name, (file) =>
      replaceFile(file, content, { ...options, signal: this.context.signal }, (shown, run) =>
        traceCommand(this.context, shown, run),
      ),
    );
  }

  protected unlink(name: string): Promise<void> {
    return this.#attempt("remove", bare(name), (file) =>
      withEntry(file, {}, (entry) => fs.unlinkSync(entry.path)),
    );
  }

  protected removeTree(name: string): Promise<void> {
    return this.#attempt("remove", bare(name), (file) => withEntry(file, {}, (entry) => removeTree(entry)));
  }

  protected clear(name: string): Promise<void> {
    return this.#attempt("empty", name, (file) =>
      withDirectory(file, (directory) => {
        for (const each of fs.readdirSync(directory.at())) removeTree(new Entry(directory, each));
      }),
    );
  }

  protected async findTemporary(): Promise<string> {
    const given = process.env["TMPDIR"];
    return given?.startsWith("/") ? given : "/tmp";
  }

  protected makePrivate(name: string, content: Buffer | undefined): Promise<void> {
    const what = content ? "make the temporary file" : "make the temporary directory";
    return this.#attempt(what, name, (file) =>
      withEntry(file, {}, (entry) => {
        refuseReplaceable(entry);
        if (content) fs.writeFileSync(entry.path, content, { mode: 0o600, flag: "wx" });
        else fs.mkdirSync(entry.path, 0o700);
      }),
    );
  }

  protected async discard(name: string): Promise<void> {
    try {
      await withEntry(name, {}, (entry) => removeTree(entry));
    } catch (error) {
      throw await this.failure("remove", name, reasonOf(error));
    }
  }

  protected async findIdentity(): Promise<Identity> {
    const uid = process.geteuid?.() ?? 0;
    const gid = process.getegid?.() ?? 0;
    return { uid, gid, user: (await this.user(uid))?.name ?? String(uid), home: ownHome() };
  }

  protected changeMode(name: string, mode: number): Promise<void> {
    return this.#attempt("set the mode of", name, (file) =>
      withHandle(file, { follow: true }, (handle) => handle.setMode(mode)),
    );
  }

  protected changeOwner(name: string, uid: number, gid: number): Promise<void> {
    return this.#attempt("set the owner of", bare(name), (file) =>
      withHandle(file, {}, (handle) => handle.setOwner(uid, gid)),
    );
  }

  /** Runs `act` on the absolute path; its errors become a `FailedChange`. */
  async #attempt<T>(what: string, name: string, act: (file: string) => T | Promise<T>): Promise<T> {
    this.refuseWhenCancelled(`did not ${what} ${shellQuote(name)}`);
    try {
      return await act(this.#absolute(name));
    } catch (error) {
      this.refuseWhenCancelled(`did not ${what} ${shellQuote(name)}`);
      throw await this.failure(what, name, reasonOf(error));
    }
  }

  get #home(): string {
    return this.context.home ?? ownHome();
  }

  #absolute(name: string): string {
    return name.startsWith("/") ? name : `${this.#home}/${name}`;
  }

  /** Looks up an account that is not in the file, if the host has a directory service. */
  async #getent(database: "passwd" | "group", key: string | number): Promise<string> {
    if (!elsewhere(database)) return "";
    return (await this.run(["getent", database, String(key)], { mayFail: true, cwd: "/" })).stdout;
  }
}

/** The home directory of the current user, without a trailing slash. */
const ownHome = (): string => bare(process.env["HOME"] || "/");

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function textOf(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Whether nsswitch.conf(5) names a source for `database` other than its file and `alsoFine`. */
function elsewhere(database: "passwd" | "group", alsoFine?: string): boolean {
  const sources = new RegExp(`^${database}:(.*)$`, "m").exec(textOf("/etc/nsswitch.conf"))?.[1] ?? "files";
  const named = sources
    .replace(/#.*|\[[^\]]*\]/g, "")
    .trim()
    .split(/\s+/);
  return named.some((source) => source !== "files" && source !== "compat" && source !== alsoFine);
}

const noSuchUser = (name: string): FailedChange =>
  new FailedChange(`there is no user ${shellQuote(name)} on this host`);

/** The reason in a message such as "EACCES: permission denied, open '/x'". */
const reasonOf = (error: unknown): string => {
  if (error instanceof PathRefused || error instanceof FailedChange) return error.message;
  const message = error instanceof Error ? error.message : String(error);
  return /^E[A-Z0-9]+: ([^,]+),/.exec(message)?.[1] ?? lastReason(message);
};
