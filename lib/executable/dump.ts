import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { orNothing } from "../_orNothing";
import { loginEnvironment } from "../agent/_environment";
import { type ModuleList, moduleIn, ownTree } from "../agent/modules";
import { FailedChange } from "../errors";
import type { AgentTarget } from "../target";
import { assembled, identityIn, identityOf, type Source } from "./_format";
import { SharedRuntime } from "./_runtime";
import { type Outcome, TRIAL } from "./_trial";

/** One call of a module that came with the tree. */
export interface Call {
  readonly module: string;
  readonly call: string;
  readonly args: readonly unknown[];
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
    return identityIn(content.toString("latin1"))?.identity === identityOf(sourceOf(call, runtime));
  }

  /** Builds it and puts it in place in one step. Throws `FailedChange`, and leaves the old one, when it cannot run. */
  async dump(call: Call): Promise<void> {
    const runtime = await sharedRuntime(this.#target);
    runtime.install();
    const source = sourceOf(call, runtime);
    const cache = await this.#tried(call, source);
    await this.#target.ensureContent(this.#file, assembled(source, cache), { mode: MODE });
    runtime.remember(this.#file);
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
      const environment = Object.entries(loginEnvironment()).map(([name, value]) => `${name}=${value}`);
      const shown = JSON.stringify({ call, module: module.slice(1) });
      const [node] = source.interpreter.split(" ");
      const { stdout, stderr, exit } = await this.#target.run(
        [
          ...["timeout", "-k", "2", String(PATIENCE), "env", "-i", ...environment],
          ...[node ?? "", "--no-warnings", TRIAL, draft, answer, shown],
        ],
        { cwd: "/", mayFail: true },
      );
      this.#target.inform(stdout + stderr);
      const outcome = orNothing(() => JSON.parse(readFileSync(answer, "utf8")) as Outcome);
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

function sourceOf({ module, call, args }: Call, runtime: SharedRuntime): Source {
  const tree = ownTree();
  return { tree, module: listOf(tree, module), call, args, interpreter: `${runtime.file} ${QUIET}` };
}

function listOf(tree: string, module: string): ModuleList {
  const list = moduleIn(tree, module);
  if (list) return list;
  throw new FailedChange(`the module ${module.slice(1)} did not come along with the sources; deploy again`);
}

/** Where executables of this host find their runtime. */
export async function sharedRuntime(target: AgentTarget): Promise<SharedRuntime> {
  const { uid, home } = await target.identity();
  return new SharedRuntime(
    uid === 0 ? "/usr/local/lib/consfigurator" : path.join(home, ".local/lib/consfigurator"),
  );
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
