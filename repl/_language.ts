import { createHash } from "node:crypto";
import fs from "node:fs";
import Module from "node:module";
import path from "node:path";
import type { TSError } from "ts-node";
import type ts from "typescript";
import { cacheHome } from "../lib/util/package.js";
import { asStatements } from "./_statements";

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
  return evaluated(withSource(javascript, file), file)(context.scope, context.load);
}

/** Loads the compiler, which takes a quarter of a second: called while the prompt is idle. */
export function warmUp(): void {
  compiler();
}

const isLoaded = (): boolean => service !== undefined;

export { isLoaded as compilerIsLoaded };

function toJavaScript(text: string, file: string): string {
  if (/^\s*\{/.test(text) && !/;\s*$/.test(text)) {
    try {
      return translated(`(${text.trimEnd()}\n)`, file);
    } catch {
      // Not an object literal, but a block.
    }
  }
  return translated(text, file);
}

function translated(text: string, file: string): string {
  try {
    return compiler().compile(text, VIRTUAL);
  } catch (error) {
    throw isSyntaxError(error) ? inputError(error, text, file) : error;
  }
}

const VIRTUAL = path.join(path.parse(process.cwd()).root, "input.ts");

interface Compiler {
  compile(code: string, file: string): string;
}
let service: Compiler | undefined;

/** ts-node, configured to turn each input into the statements of `_statements.ts` and to keep its imports. */
function compiler(): Compiler {
  if (!service) {
    const { create } = require("ts-node") as typeof import("ts-node");
    const typescript = require("typescript") as typeof ts;
    const before = Error.prepareStackTrace;
    service = create({
      cwd: path.dirname(VIRTUAL),
      skipProject: true,
      transpileOnly: true,
      ignore: [],
      transformers: { after: [asStatements(typescript)] },
      compilerOptions: {
        target: "es2023",
        module: "esnext",
        moduleResolution: "bundler",
        moduleDetection: "force",
        verbatimModuleSyntax: true,
        removeComments: true,
      },
    });
    Error.prepareStackTrace = before; // ts-node maps only stacks of code that it compiled itself.
  }
  return service;
}

const isSyntaxError = (error: unknown): error is TSError & { diagnostics: readonly ts.Diagnostic[] } =>
  error instanceof Error && Array.isArray((error as { diagnostics?: unknown }).diagnostics);

/** An error at the very end of the input means that it is incomplete, except for an unterminated string. */
function inputError(
  { diagnostics }: { diagnostics: readonly ts.Diagnostic[] },
  text: string,
  file: string,
): Error {
  const end = text.trimEnd().length;
  const first = diagnostics[0];
  const start = first?.start ?? 0;
  const message =
    typeof first?.messageText === "string" ? first.messageText : (first?.messageText.messageText ?? "");
  const spansLines = first !== undefined && MULTILINE.has(first.code);
  if (spansLines || (start >= end && first?.code !== UNTERMINATED_STRING))
    return new IncompleteInput(message);
  const before = text.slice(0, start).split("\n");
  return new InvalidInput(
    message.replace(/\.$/, ""),
    shownFile(file),
    before.length,
    (before.at(-1) ?? "").length + 1,
  );
}

/** TypeScript's numbers for an unterminated comment and template. */
const MULTILINE = new Set([1010, 1160]);
const UNTERMINATED_STRING = 1002;

/** `prompt[3]` for the third input of the prompt; the path of a playbook unchanged. */
export function shownFile(file: string): string {
  const prompt = file.replace(/^prompt:\/\/(\d+)$/, "prompt[$1]");
  const here = prompt === file ? path.relative(process.cwd(), file) : prompt;
  return here.startsWith("..") ? file : here;
}

/** `compile()`, or its cached result for the same text. Failing to write the cache is not an error. */
function cached(text: string, compile: () => string): string {
  const key = createHash("sha256").update(`${versions()}\0${text}`).digest("hex");
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

/** Raise the first when `_statements.ts` changes its output for the same text. */
const versions = (): string =>
  [
    "1",
    ...["typescript", "ts-node"].map(
      (name) => (require(`${name}/package.json`) as { version: string }).version,
    ),
  ].join(" ");

const MAP = /\/\/# sourceMappingURL=data:application\/json;charset=utf-8;base64,([A-Za-z0-9+/=]+)\s*$/;

/** Makes the source map of `javascript` name `file`, so that sites and stacks do. */
function withSource(javascript: string, file: string): string {
  return javascript.replace(MAP, (_, encoded: string) => {
    const map = JSON.parse(Buffer.from(encoded, "base64").toString()) as Record<string, unknown>;
    const named = { ...map, file, sources: [file], sourcesContent: undefined };
    return `//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(named)).toString("base64")}`;
  });
}

/** Keeps modules alive: Node drops the source map of an unreferenced module, even if functions from it still exist. */
const evaluatedModules: Module[] = [];

type Factory = (scope: object, load: InputContext["load"]) => Statement[];

/** Evaluates as a CommonJS module, since Node keeps source maps for those. No statement runs yet. */
function evaluated(javascript: string, file: string): Factory {
  const module = new Module(file) as Module & { _compile(code: string, file: string): void };
  module._compile(javascript, file);
  evaluatedModules.push(module);
  return module.exports as Factory;
}
