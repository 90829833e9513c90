import { readFileSync } from "node:fs";
import path from "node:path";
import { ConsfigError } from "../model/errors";
import { mapped, sourceMapIn } from "../util/source-maps.js";
import type { Evaluation } from "./_evaluation";
import { compiledForm } from "./_module";
import { PackageError } from "./_outside";
import { locationsIn, type SourceLocation } from "./_positions";
import { ConsfigLoadError } from "./loadError";

/** Wraps the error that ended `evaluation` with its reason and its location in the user's sources under `root`. */
export function explain(
  error: unknown,
  evaluation: Evaluation,
  root: string,
  show: (file: string) => string,
) {
  if (error instanceof ConsfigLoadError) return error;
  const failedIn = evaluation.failedIn ?? root;
  const syntax = syntaxError(error, failedIn);
  if (syntax)
    return new ConsfigLoadError(syntax.location, show(syntax.location.file), syntax.reason, [], error);
  if (!(error instanceof Error)) {
    return new ConsfigLoadError(
      { file: failedIn },
      show(failedIn),
      `threw ${JSON.stringify(error)}, which is not an Error`,
    );
  }
  const frames = locationsIn(error.stack ?? "").filter(
    ({ location }) => evaluation.seen.has(location.file) || evaluation.modules.has(location.file),
  );
  const users = frames.find(({ location }) => location.file.startsWith(root + path.sep)) ?? frames[0];
  const location = users?.location ?? { file: failedIn };
  const shown = frames.map(({ frame, location: { file } }) =>
    frame.replace(`file://${file}`, file).replace(file, show(file)),
  );
  return new ConsfigLoadError(location, show(location.file), reasonOf(error), shown, error);
}

const reasonOf = (error: Error): string =>
  error instanceof ConsfigError || error instanceof PackageError
    ? error.message
    : `${error.name}: ${asWritten(error.message)}`;

/** Restores the names of the source, which the compiler rewrites. */
const asWritten = (message: string): string =>
  message
    .replaceAll(/\(0 ?, \w+\.([\w$.]+)\)/g, "$1")
    .replace(/^\w+_\d+\.(?=[\w$]+(\.[\w$]+)* is not a (function|constructor)$)/, "");

interface SyntaxProblem {
  readonly location: SourceLocation;
  readonly reason: string;
}

/** A syntax error from the compiler, JSON.parse or V8; undefined when `error` is something else. */
function syntaxError(error: unknown, file: string): SyntaxProblem | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  if (error.name === "CompileError") return compilerProblem(error as SyntaxError & CompileErrorFields);
  if (file.endsWith(".json")) return jsonProblem(error, file);
  return v8Problem(error, file);
}

interface CompileErrorFields {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly reason: string;
  readonly more: number;
}

function compilerProblem({ file, line, column, reason, more }: CompileErrorFields): SyntaxProblem {
  return { location: { file, line, column }, reason: more > 0 ? `${reason} (and ${more} more)` : reason };
}

function jsonProblem({ message }: Error, file: string): SyntaxProblem {
  const found = /\(line (\d+) column (\d+)\)/.exec(message);
  const text = readFileSync(file, "utf8");
  const end = text.trimEnd().split("\n");
  const location = found
    ? { file, line: Number(found[1]), column: Number(found[2]) }
    : { file, line: end.length, column: (end.at(-1) ?? "").length + 1 };
  return { location, reason: `invalid JSON: ${message.replace(/ in JSON at position \d+.*$/s, "")}` };
}

/** Code that compiles but does not parse as CommonJS: V8 reports the line of the compiled form and marks the column. */
function v8Problem(error: Error, file: string): SyntaxProblem | undefined {
  const found = /^(.+):(\d+)\n.*\n( *)\^/.exec(error.stack ?? "");
  if (found?.[1] !== file) return undefined;
  const map = sourceMapIn(compiledForm(readFileSync(file, "utf8"), file, { mayAwait: true }));
  const location = map && mapped(map, Number(found[2]), (found[3] ?? "").length + 1);
  return { location: { file, ...location }, reason: error.message };
}
