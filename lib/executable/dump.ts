import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ModuleList, moduleIn, ownTree } from "../agent/shared/tree";
import { FailedChange } from "../model/errors";
import type { AgentTarget } from "../model/target";
import { tryOrUndefined } from "../util/attempt";
import { loginEnvironment } from "../util/login-environment";
import { executableText, identityIn, identityOf, type Source, snapshotScript } from "./_format";
import type { SharedRuntime } from "./_runtime";
import { type Outcome, TRIAL } from "./_trial";
import { sharedRuntime } from "./places";

/** A call of a function of a module in the tree. */
export interface Call {
  readonly module: string;
  readonly call: string;
  readonly args: readonly unknown[];
  /** True: starts from a snapshot taken after the module was loaded, if the code supports that. */
  readonly snapshot?: boolean | undefined;
}

/** Time limit for a module to load, in seconds. */
const LOAD_TIMEOUT_S = 20;
/** The age of a temporary directory whose process has been killed: loading has a shorter limit. */
const ABANDONED_MS = 5 * 60_000;

/** An executable that makes one call, built on this host from the sources in the tree. */
export class Executable {
  readonly #target: AgentTarget;
  readonly #file: string;

  constructor(target: AgentTarget, file: string) {
    this.#target = target;
    this.#file = file;
  }

  /** True when the file exists, is intact, and was built from the same inputs. */
  async isCurrent(call: Call): Promise<boolean> {
    const runtime = await sharedRuntime(this.#target);
    const [stat, content] = [await this.#target.stat(this.#file), await this.#target.readBytes(this.#file)];
    if (!runtime.isInstalled || stat?.mode !== MODE || !content) return false;
    const found = identityIn(content.toString("latin1"));
    const [, snapshot] = found?.interpreter.split("=") ?? [];
    if (snapshot?.startsWith("/") && !(await this.#target.stat(snapshot))) return false;
    const source = sourceOf(call, runtime);
    if (Object.keys(source.module.assets).length > 0 && !(await this.#target.stat(source.home))) return false;
    return found?.identity === identityOf(source);
  }

  /** Builds the file and replaces it in one step. Throws `FailedChange`, and keeps the old one, when it cannot run. */
  async dump(call: Call): Promise<void> {
    const runtime = await sharedRuntime(this.#target);
    runtime.install();
    const source = sourceOf(call, runtime);
    installFiles(source);
    const cache = await this.#tryLoading(call, source).catch((error: unknown) => {
      runtime.prune(runtime.file);
      throw error;
    });
    const snapshot = call.snapshot ? await this.#snapshot(source, runtime) : undefined;
    const interpreter = snapshot && `${runtime.file} --snapshot-blob=${snapshot}`;
    const text = executableText(source, { cache, ...(interpreter && { interpreter }) });
    await this.#target.ensureContent(this.#file, text, { mode: MODE });
    runtime.remember(this.#file);
    runtime.prune();
  }

  /** Builds a start-up snapshot. Reports why and returns undefined when the code does not support one. */
  async #snapshot(source: Source, runtime: SharedRuntime): Promise<string | undefined> {
    const file = runtime.snapshot(identityOf(source));
    const building = `${file}.${process.pid}`;
    const directory = this.#newDirectory("snapshot");
    const draft = path.join(directory, path.basename(this.#file));
    try {
      writeFileSync(draft, snapshotScript(source, this.#file), { mode: 0o600 });
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
      const build = [runtime.file, `--snapshot-blob=${building}`, "--build-snapshot", draft];
      const { exit, stderr } = await this.#target.run([...withCleanEnvironment(), ...build], {
        cwd: "/",
        mayFail: true,
      });
      if (exit === 0) {
        chmodSync(building, 0o644);
        renameSync(building, file);
        return file;
      }
      const why =
        stderr.split("\n").find((line) => /rror|global handle|not serialized/i.test(line)) ??
        `exit code ${exit}`;
      this.#target.inform(`started without a snapshot: the code does not support one: ${why.trim()}\n`);
      return undefined;
    } finally {
      rmSync(building, { force: true });
      rmSync(directory, { recursive: true, force: true });
    }
  }

  async remove(): Promise<"changed" | "unchanged"> {
    const change = await this.#target.remove(this.#file);
    (await sharedRuntime(this.#target)).forget(this.#file);
    return change;
  }

  /** A new temporary directory, after those of killed processes are removed. */
  #newDirectory(kind: "executable" | "snapshot"): string {
    const start = `consfigurator-${kind}-`;
    for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(start))) {
      const directory = path.join(tmpdir(), name);
      const stat = tryOrUndefined(() => lstatSync(directory));
      if (!stat?.isDirectory() || stat.uid !== process.getuid?.()) continue;
      if (Date.now() - stat.mtimeMs > ABANDONED_MS) rmSync(directory, { recursive: true, force: true });
    }
    return mkdtempSync(path.join(tmpdir(), start));
  }

  /** Loads the module once in a fresh process. Returns the V8 code cache. */
  async #tryLoading({ module, call }: Call, source: Source): Promise<string> {
    const directory = this.#newDirectory("executable");
    const draft = path.join(directory, path.basename(this.#file));
    const outcomeFile = path.join(directory, "outcome");
    try {
      writeFileSync(draft, executableText(source), { mode: 0o600 });
      const trialCall = JSON.stringify({ call, module: module.slice(1) });
      const [node] = source.interpreter.split(" ");
      const { stdout, stderr, exit } = await this.#target.run(
        [...withCleanEnvironment(), node ?? "", "--no-warnings", TRIAL, draft, outcomeFile, trialCall],
        { cwd: "/", mayFail: true },
      );
      this.#target.inform(stdout + stderr);
      const outcome = tryOrUndefined(() => JSON.parse(readFileSync(outcomeFile, "utf8")) as Outcome);
      if (outcome?.cache !== undefined) return outcome.cache;
      throw loadError(module, outcome, exit, stderr);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

const MODE = 0o755;
/** The first line of a script allows only one option. Node reports `import()` in a script as experimental. */
const QUIET = "--disable-warning=ExperimentalWarning";

/** A command prefix: runs it with a login environment and a time limit. */
const withCleanEnvironment = (): string[] => [
  ...["timeout", "-k", "2", String(LOAD_TIMEOUT_S), "env", "-i"],
  ...Object.entries(loginEnvironment()).map(([name, value]) => `${name}=${value}`),
];

function sourceOf({ module, call, args, snapshot = false }: Call, runtime: SharedRuntime): Source {
  const tree = ownTree();
  const source = {
    tree,
    module: moduleList(tree, module),
    call,
    args,
    interpreter: `${runtime.file} ${QUIET}`,
    snapshot,
  };
  return { ...source, home: runtime.filesOf(identityOf(source)) };
}

/** Copies the files that the module reads to where every user can read them. */
function installFiles({ tree, module, home }: Source): void {
  const assets = Object.entries(module.assets);
  if (assets.length === 0 || existsSync(home)) return;
  const building = `${home}.${process.pid}`;
  try {
    for (const [treePath, place] of assets) {
      const file = path.join(building, place);
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
      copyFileSync(path.join(tree, treePath), file);
      chmodSync(file, 0o644);
    }
    renameSync(building, home);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

function moduleList(tree: string, module: string): ModuleList {
  const list = moduleIn(tree, module);
  if (list) return list;
  throw new FailedChange(
    `the sources on the host do not contain the module ${module.slice(1)}; deploy again`,
  );
}

/** Has the stack of the error in the user's code. */
function loadError(module: string, outcome: Outcome | undefined, exit: number, stderr: string): FailedChange {
  const { message, stack } = outcome?.refused ?? { message: exitReason(module.slice(1), exit, stderr) };
  const [, where] = /^\s+at (?:.* \()?([^\s()]+:\d+:\d+)\)?$/m.exec(stack ?? "") ?? [];
  const error = new FailedChange(`${message}${where ? `, at ${where}` : ""}`);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function exitReason(module: string, exit: number, stderr: string): string {
  if (exit === 124 || exit === 137) return `loading ${module} took more than ${LOAD_TIMEOUT_S} s`;
  const output = stderr.trim().split("\n").slice(-5).join("\n");
  return `loading ${module} ended the process with exit code ${exit}${output ? `:\n${output}` : ""}`;
}
