import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ModuleList, moduleIn, ownTree } from "../agent/shared/tree";
import { FailedChange } from "../model/errors";
import type { AgentTarget } from "../model/target";
import { tryOrUndefined } from "../util/attempt";
import { loginEnvironment } from "../util/login-environment";
import { assembled, frozen, identityIn, identityOf, type Source } from "./_format";
import type { SharedRuntime } from "./_runtime";
import { type Outcome, TRIAL } from "./_trial";
import { sharedRuntime } from "./places";

/** One call of a module that came with the tree. */
export interface Call {
  readonly module: string;
  readonly call: string;
  readonly args: readonly unknown[];
  /** True: started from a snapshot taken when the module had been loaded, where the code allows it. */
  readonly snapshot?: boolean | undefined;
}

/** Seconds that a module may take to load. */
const PATIENCE = 20;

/** An executable on this host that makes one call, built here from the sources that came along. */
export class Executable {
  readonly #target: AgentTarget;
  readonly #file: string;

  constructor(target: AgentTarget, file: string) {
    this.#target = target;
    this.#file = file;
  }

  /** Whether it is there, whole, and made of the very same sources. */
  async isCurrent(call: Call): Promise<boolean> {
    const runtime = await sharedRuntime(this.#target);
    const [stat, content] = [await this.#target.stat(this.#file), await this.#target.readBytes(this.#file)];
    if (!runtime.isThere || stat?.mode !== MODE || !content) return false;
    const found = identityIn(content.toString("latin1"));
    const [, snapshot] = found?.interpreter.split("=") ?? [];
    if (snapshot?.startsWith("/") && !(await this.#target.stat(snapshot))) return false;
    return found?.identity === identityOf(sourceOf(call, runtime));
  }

  /** Builds it and puts it in place in one step. Throws `FailedChange`, and leaves the old one, when it cannot run. */
  async dump(call: Call): Promise<void> {
    const runtime = await sharedRuntime(this.#target);
    runtime.install();
    const source = sourceOf(call, runtime);
    const cache = await this.#tried(call, source);
    const snapshot = call.snapshot ? await this.#snapshot(source, runtime) : undefined;
    const interpreter = snapshot && `${runtime.file} --snapshot-blob=${snapshot}`;
    const text = assembled(source, { cache, ...(interpreter && { interpreter }) });
    await this.#target.ensureContent(this.#file, text, { mode: MODE });
    runtime.remember(this.#file);
    runtime.prune();
  }

  /** Makes a start-up snapshot; undefined, and said why, where the code allows none. */
  async #snapshot(source: Source, runtime: SharedRuntime): Promise<string | undefined> {
    const file = runtime.snapshot(identityOf(source));
    const building = `${file}.${process.pid}`;
    const directory = mkdtempSync(path.join(tmpdir(), "consfigurator-snapshot-"));
    const draft = path.join(directory, path.basename(this.#file));
    try {
      writeFileSync(draft, frozen(source, this.#file), { mode: 0o600 });
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
      const build = [runtime.file, `--snapshot-blob=${building}`, "--build-snapshot", draft];
      const { exit, stderr } = await this.#target.run([...clean(), ...build], { cwd: "/", mayFail: true });
      if (exit === 0) {
        chmodSync(building, 0o644);
        renameSync(building, file);
        return file;
      }
      const why =
        stderr.split("\n").find((line) => /rror|global handle|not serialized/i.test(line)) ??
        `exit code ${exit}`;
      this.#target.inform(`no start-up snapshot, for the code does not allow it: ${why.trim()}\n`);
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

  /** The module is loaded once, in a process that knows nothing else. Gives what V8 has compiled meanwhile. */
  async #tried({ module, call }: Call, source: Source): Promise<string> {
    const directory = mkdtempSync(path.join(tmpdir(), "consfigurator-executable-"));
    const [draft, answer] = [path.join(directory, path.basename(this.#file)), path.join(directory, "answer")];
    try {
      writeFileSync(draft, assembled(source), { mode: 0o600 });
      const shown = JSON.stringify({ call, module: module.slice(1) });
      const [node] = source.interpreter.split(" ");
      const { stdout, stderr, exit } = await this.#target.run(
        [...clean(), node ?? "", "--no-warnings", TRIAL, draft, answer, shown],
        { cwd: "/", mayFail: true },
      );
      this.#target.inform(stdout + stderr);
      const outcome = tryOrUndefined(() => JSON.parse(readFileSync(answer, "utf8")) as Outcome);
      if (outcome?.cache !== undefined) return outcome.cache;
      throw refusal(module, outcome, exit, stderr);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

const MODE = 0o755;
/** A first line may have one option. `import()` in a script is what Node calls an experiment. */
const QUIET = "--disable-warning=ExperimentalWarning";

/** Words before a command that give it a login's environment, and no more than its time. */
const clean = (): string[] => [
  ...["timeout", "-k", "2", String(PATIENCE), "env", "-i"],
  ...Object.entries(loginEnvironment()).map(([name, value]) => `${name}=${value}`),
];

function sourceOf({ module, call, args, snapshot = false }: Call, runtime: SharedRuntime): Source {
  const tree = ownTree();
  return {
    tree,
    module: listOf(tree, module),
    call,
    args,
    interpreter: `${runtime.file} ${QUIET}`,
    snapshot,
  };
}

function listOf(tree: string, module: string): ModuleList {
  const list = moduleIn(tree, module);
  if (list) return list;
  throw new FailedChange(`the module ${module.slice(1)} did not come along with the sources; deploy again`);
}

/** As an error of the user's own code: its stack is theirs. */
function refusal(module: string, outcome: Outcome | undefined, exit: number, stderr: string): FailedChange {
  const { message, stack } = outcome?.refused ?? { message: ended(module.slice(1), exit, stderr) };
  const [, where] = /^\s+at (?:.* \()?([^\s()]+:\d+:\d+)\)?$/m.exec(stack ?? "") ?? [];
  const error = new FailedChange(`${message}${where ? `, at ${where}` : ""}`);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function ended(module: string, exit: number, stderr: string): string {
  if (exit === 124 || exit === 137) return `${module} was still being loaded after ${PATIENCE} s`;
  const words = stderr.trim().split("\n").slice(-5).join("\n");
  return `${module} ends the process that loads it, with exit code ${exit}${words ? `:\n${words}` : ""}`;
}
