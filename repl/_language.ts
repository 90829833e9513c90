import { createHash } from "node:crypto";
import fs from "node:fs";
import Module from "node:module";
import path from "node:path";
import type { TSError } from "ts-node";
import type ts from "typescript";
import { cacheHome } from "../lib/util/package.js";
import { asStatements } from "./_statements";

/** One top-level statement of the prompt or of a playbook, ready to run. */
export interface Statement {
  /** Its first line in the input. */
  readonly line: number;
  /** A function: it is there before anything runs. */
  readonly hoisted: boolean;
  /** The names it declares, and whether as `const`. */
  readonly names: readonly string[];
  readonly constant: boolean;
  run(): Promise<unknown>;
}

/** What statements are run with. Names they do not declare themselves are looked up in `scope`, then globally. */
export interface Surroundings {
  readonly scope: object;
  /** What `import` does: the module `specifier`, which must have `names`. */
  load(specifier: string, names: readonly string[]): Promise<unknown>;
}

/** The input breaks off in the middle: more lines may complete it. */
export class Unfinished extends Error {}

/** What was typed is no TypeScript. `line` and `column` count from 1. */
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
 * Compiles `text` into statements. `file` is the name that stands in sites and stacks: an absolute path, or
 * `prompt://N`. Throws `Unfinished` or `InvalidInput`. With `keep`, the compiled form is kept on disk by content.
 */
export function compileInput(
  text: string,
  file: string,
  surroundings: Surroundings,
  { keep = false } = {},
): Statement[] {
  const javascript = keep ? kept(text, () => toJavaScript(text, file)) : toJavaScript(text, file);
  return evaluated(withSource(javascript, file), file)(surroundings.scope, surroundings.load);
}

/** Loads the compiler, which takes a quarter of a second: called when nobody waits. */
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
      // No object literal: a block.
    }
  }
  return translated(text, file);
}

function translated(text: string, file: string): string {
  try {
    return compiler().compile(text, VIRTUAL);
  } catch (error) {
    throw isSyntaxError(error) ? complaint(error, text, file) : error;
  }
}

const VIRTUAL = path.join(path.parse(process.cwd()).root, "input.ts");

interface Compiler {
  compile(code: string, file: string): string;
}
let service: Compiler | undefined;

/** ts-node, so set that each input becomes the statements of `_statements.ts` and its imports stay in it. */
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
    Error.prepareStackTrace = before; // ts-node's own mapping of stacks knows only what it compiled itself.
  }
  return service;
}

const isSyntaxError = (error: unknown): error is TSError & { diagnostics: readonly ts.Diagnostic[] } =>
  error instanceof Error && Array.isArray((error as { diagnostics?: unknown }).diagnostics);

/** A complaint at the very end means that something is still to come, unless it is about what can have no end. */
function complaint(
  { diagnostics }: { diagnostics: readonly ts.Diagnostic[] },
  text: string,
  file: string,
): Error {
  const end = text.trimEnd().length;
  const first = diagnostics[0];
  const start = first?.start ?? 0;
  const message =
    typeof first?.messageText === "string" ? first.messageText : (first?.messageText.messageText ?? "");
  const unended = first !== undefined && UNENDED.has(first.code);
  if (unended || (start >= end && first?.code !== UNTERMINATED_STRING)) return new Unfinished(message);
  const before = text.slice(0, start).split("\n");
  return new InvalidInput(
    message.replace(/\.$/, ""),
    shownFile(file),
    before.length,
    (before.at(-1) ?? "").length + 1,
  );
}

/** TypeScript's numbers for an unterminated comment and template. */
const UNENDED = new Set([1010, 1160]);
const UNTERMINATED_STRING = 1002;

/** `prompt[3]` for the third input of the prompt; the path of a playbook as it is. */
export function shownFile(file: string): string {
  const prompt = file.replace(/^prompt:\/\/(\d+)$/, "prompt[$1]");
  const here = prompt === file ? path.relative(process.cwd(), file) : prompt;
  return here.startsWith("..") ? file : here;
}

/** `make()`, or what it gave for the same text before. A cache that cannot be written costs time, never the work. */
function kept(text: string, make: () => string): string {
  const key = createHash("sha256").update(`${versions()}\0${text}`).digest("hex");
  const file = path.join(cacheHome, "playbooks", `${key}.js`);
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    const made = make();
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      fs.writeFileSync(`${file}.${process.pid}`, made, { mode: 0o600 });
      fs.renameSync(`${file}.${process.pid}`, file);
    } catch {}
    return made;
  }
}

/** Raise the first when `_statements.ts` makes something else of the same text. */
const versions = (): string =>
  [
    "1",
    ...["typescript", "ts-node"].map(
      (name) => (require(`${name}/package.json`) as { version: string }).version,
    ),
  ].join(" ");

const MAP = /\/\/# sourceMappingURL=data:application\/json;charset=utf-8;base64,([A-Za-z0-9+/=]+)\s*$/;

/** The source map of `javascript` names `file`, so that sites and stacks do. */
function withSource(javascript: string, file: string): string {
  return javascript.replace(MAP, (_, encoded: string) => {
    const map = JSON.parse(Buffer.from(encoded, "base64").toString()) as Record<string, unknown>;
    const named = { ...map, file, sources: [file], sourcesContent: undefined };
    return `//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(named)).toString("base64")}`;
  });
}

/** Node forgets the source map of a module that nothing refers to, while functions from it may still be there. */
const evaluatedModules: Module[] = [];

type Factory = (scope: object, load: Surroundings["load"]) => Statement[];

/** Evaluated as a CommonJS module, because for those Node keeps source maps; it does not run anything yet. */
function evaluated(javascript: string, file: string): Factory {
  const module = new Module(file) as Module & { _compile(code: string, file: string): void };
  module._compile(javascript, file);
  evaluatedModules.push(module);
  return module.exports as Factory;
}
