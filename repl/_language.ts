import { createHash } from "node:crypto";
import fs from "node:fs";
import Module from "node:module";
import path from "node:path";
import { LRUCache } from "lru-cache";
import { inCompiler, inCompilerMeanwhile } from "../lib/util/compiler-process";
import { cacheHome } from "../lib/util/package.js";
import { forgetSourceMap, MARKER, setSourceMap } from "../lib/util/source-maps.js";
import type { CompiledInput, StatementLines } from "./_input-compiler";

/** A top-level statement of the prompt or of a playbook, ready to run. */
export interface Statement {
  /** Its first line in the input. */
  readonly line: number;
  /** True for functions: they are declared before anything runs. */
  readonly hoisted: boolean;
  /** The names it declares. */
  readonly names: readonly string[];
  /** True: it declares them as `const`. */
  readonly constant: boolean;
  run(): Promise<unknown>;
}

/** The context of statements. Names they do not declare themselves are looked up in `scope`, then globally. */
export interface InputContext {
  readonly scope: object;
  /** Implements `import`: loads the module `specifier`, which must export `names`. */
  load(specifier: string, names: readonly string[]): Promise<unknown>;
}

/** The input ends in the middle of a statement: more lines may complete it. */
export class IncompleteInput extends Error {}

/** The input is not valid TypeScript. `line` and `column` count from 1. */
export class InvalidInput extends Error {
  override readonly name = "SyntaxError";
  constructor(
    message: string,
    readonly file: string,
    readonly line: number,
    readonly column: number,
  ) {
    super(`${message} (${file}:${line}:${column})`);
    this.stack = `${this.name}: ${this.message}`;
  }
}

/**
 * Compiles `text` into statements. `file` is the name for sites and stacks: an absolute path, or `prompt://N`. Throws
 * `IncompleteInput` or `InvalidInput`. With `cache`, the compiled form is cached on disk by content.
 */
export function compileInput(
  text: string,
  file: string,
  context: InputContext,
  { cache = false } = {},
): Statement[] {
  const javascript = cache ? cached(text, () => toJavaScript(text, file)) : toJavaScript(text, file);
  return evaluated(javascript, file)(context.scope, context.load);
}

const COMPILER = require.resolve("./_input-compiler.ts");

/** Starts the compiler, which takes half a second, without blocking. */
export async function warmUp(): Promise<void> {
  await inCompilerMeanwhile(COMPILER, "warmUp").catch(() => {}); // the next input tries again, and reports
}

/** The lines of each top-level statement in `code`, from 0; undefined if it does not parse. */
export const statementLines = (code: string): StatementLines[] | undefined =>
  inCompiler(COMPILER, "statementLines", code) as StatementLines[] | undefined;

function toJavaScript(text: string, file: string): string {
  const compiled = inCompiler(COMPILER, "compile", text) as CompiledInput;
  if ("javascript" in compiled) return compiled.javascript;
  if ("incomplete" in compiled) throw new IncompleteInput(compiled.incomplete);
  const { message, line, column } = compiled.invalid;
  throw new InvalidInput(message, shownFile(file), line, column);
}

/** `prompt[3]` for the third input of the prompt; the path of a playbook unchanged. */
export function shownFile(file: string): string {
  const prompt = file.replace(/^prompt:\/\/(\d+)$/, "prompt[$1]");
  const here = prompt === file ? path.relative(process.cwd(), file) : prompt;
  return here.startsWith("..") ? file : here;
}

/** `compile()`, or its cached result for the same text. Failing to write the cache is not an error. */
function cached(text: string, compile: () => string): string {
  const key = createHash("sha256").update(`${makers()}\0${text}`).digest("hex");
  const file = path.join(cacheHome, "playbooks", `${key}.js`);
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    const compiled = compile();
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      fs.writeFileSync(`${file}.${process.pid}`, compiled, { mode: 0o600 });
      fs.renameSync(`${file}.${process.pid}`, file);
    } catch {}
    return compiled;
  }
}

/** What makes the compiled form: the versions of the compiler, and our own code. */
const makers = (): string =>
  [
    ...["typescript", "ts-node"].map(
      (name) => (require(`${name}/package.json`) as { version: string }).version,
    ),
    ...["_input-compiler.ts", "_statements.ts", "_awaited.ts"].map((name) =>
      fs.readFileSync(path.join(__dirname, name), "utf8"),
    ),
  ].join("\0");

type Factory = (scope: object, load: InputContext["load"]) => Statement[];

/** Inputs whose lines are shown as they were typed; those before them, as they were compiled. */
const mapped = new LRUCache<string, true>({ max: 2000, dispose: (_, file) => forgetSourceMap(file) });

/** The modules of inputs, of which the functions of an input keep theirs, with the file of each. */
const inputs = new WeakMap<object, string>();

/** The file of the input whose module this is, as it was given to `compileInput`. */
export const inputOf = (module: unknown): string | undefined =>
  typeof module === "object" && module !== null ? inputs.get(module) : undefined;

/** No statement runs yet. */
function evaluated(javascript: string, file: string): Factory {
  // A copy, because a part of a string keeps the whole.
  setSourceMap(file, Buffer.from(javascript.slice(javascript.lastIndexOf(MARKER))).toString());
  mapped.set(file, true);
  const module = new Module(file) as Module & { _compile(code: string, file: string): void };
  inputs.set(module, file);
  module._compile(javascript, file);
  return module.exports as Factory;
}
