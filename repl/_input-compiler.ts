/** Compiles what is typed, and playbooks. Loaded in the compiler's process only. */
import path from "node:path";
import { create, type TSError } from "ts-node";
import typescript from "typescript";
import { MARKER, mapTextIn } from "../lib/util/source-maps.js";
import { asStatements } from "./_statements";

/** A module that exports the statements, or why there is none. `line` and `column` count from 1. */
export type CompiledInput =
  | { readonly javascript: string }
  | { readonly incomplete: string }
  | { readonly invalid: { readonly message: string; readonly line: number; readonly column: number } };

/** Compiles `text`. Braces at its beginning are those of an object if that is possible, otherwise of a block. */
export function compile(text: string): CompiledInput {
  if (/^\s*\{/.test(text) && !/;\s*$/.test(text)) {
    const object = translated(`(${text.trimEnd()}\n)`);
    if ("javascript" in object) return object;
  }
  return translated(text);
}

export function warmUp(): void {
  translated("1");
}

/** ts-node, configured to turn each input into the statements of `_statements.ts` and to keep its imports. */
const compiler = create({
  cwd: "/",
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

function translated(text: string): CompiledInput {
  try {
    return { javascript: withoutSource(compiler.compile(text, path.resolve("/input.ts"))) };
  } catch (error) {
    if (isSyntaxError(error)) return problemIn(error, text);
    throw error;
  }
}

/** The compiler repeats the input in its source map, which stays as long as the prompt. */
function withoutSource(output: string): string {
  const { version, sources, names, mappings } = JSON.parse(mapTextIn(output) ?? "{}");
  const map = Buffer.from(JSON.stringify({ version, sources, names, mappings })).toString("base64");
  return output.slice(0, output.lastIndexOf(MARKER)) + MARKER + map;
}

const isSyntaxError = (
  error: unknown,
): error is TSError & { diagnostics: readonly typescript.Diagnostic[] } =>
  error instanceof Error && Array.isArray((error as { diagnostics?: unknown }).diagnostics);

/** An error at the very end of the input means that it is incomplete, except for an unterminated string. */
function problemIn(
  { diagnostics }: { diagnostics: readonly typescript.Diagnostic[] },
  text: string,
): CompiledInput {
  const end = text.trimEnd().length;
  const first = diagnostics[0];
  const start = first?.start ?? 0;
  const message =
    typeof first?.messageText === "string" ? first.messageText : (first?.messageText.messageText ?? "");
  const spansLines = first !== undefined && MULTILINE.has(first.code);
  if (spansLines || (start >= end && first?.code !== UNTERMINATED_STRING)) return { incomplete: message };
  const before = text.slice(0, start).split("\n");
  return {
    invalid: {
      message: message.replace(/\.$/, ""),
      line: before.length,
      column: (before.at(-1) ?? "").length + 1,
    },
  };
}

/** TypeScript's numbers for an unterminated comment and template. */
const MULTILINE = new Set([1010, 1160]);
const UNTERMINATED_STRING = 1002;

/** The lines of one top-level statement, or of several that share a line; from 0. */
export interface StatementLines {
  readonly first: number;
  readonly last: number;
}

/** The lines of each top-level statement in `code`; undefined if it does not parse. */
export function statementLines(code: string): StatementLines[] | undefined {
  const file = typescript.createSourceFile("pasted.ts", code, typescript.ScriptTarget.Latest, false);
  const { parseDiagnostics } = file as typescript.SourceFile & {
    readonly parseDiagnostics: readonly unknown[];
  };
  if (parseDiagnostics.length > 0) return undefined;
  const lineAt = (position: number) => file.getLineAndCharacterOfPosition(position).line;
  const ranges: { first: number; last: number }[] = [];
  for (const statement of file.statements) {
    const [first, last] = [lineAt(statement.getStart(file)), lineAt(statement.end)];
    const before = ranges.at(-1);
    if (before && before.last >= first) before.last = Math.max(before.last, last);
    else ranges.push({ first, last });
  }
  return ranges;
}
