import { readFileSync } from "node:fs";
import path from "node:path";
import { ConsfigError } from "../model/errors";
import type { Evaluation } from "./_evaluation";
import { compiledForm } from "./_module";
import { PackageError } from "./_outside";
import { mapOf, mapped, placesIn, type SourceLocation } from "./_positions";
import { ConsfigLoadError } from "./loadError";

/** What ended `evaluation`, as an error that says where in the user's sources under `root` and what. */
export function explain(
  error: unknown,
  evaluation: Evaluation,
  root: string,
  show: (file: string) => string,
) {
  if (error instanceof ConsfigLoadError) return error;
  const failedIn = evaluation.failedIn ?? root;
  const syntax = syntaxError(error, failedIn);
  if (syntax) return new ConsfigLoadError(syntax.place, show(syntax.place.file), syntax.reason, [], error);
  if (!(error instanceof Error)) {
    return new ConsfigLoadError(
      { file: failedIn },
      show(failedIn),
      `threw ${JSON.stringify(error)}, which is no Error`,
    );
  }
  const frames = placesIn(error.stack ?? "").filter(
    ({ place }) => evaluation.seen.has(place.file) || evaluation.modules.has(place.file),
  );
  const users = frames.find(({ place }) => place.file.startsWith(root + path.sep)) ?? frames[0];
  const place = users?.place ?? { file: failedIn };
  const shown = frames.map(({ frame, place: { file } }) =>
    frame.replace(`file://${file}`, file).replace(file, show(file)),
  );
  return new ConsfigLoadError(place, show(place.file), reasonOf(error), shown, error);
}

const reasonOf = (error: Error): string =>
  error instanceof ConsfigError || error instanceof PackageError
    ? error.message
    : `${error.name}: ${asWritten(error.message)}`;

/** Names as they stand in the source, not as the compiler has made them. */
const asWritten = (message: string): string => message.replaceAll(/\(0 ?, \w+\.([\w$.]+)\)/g, "$1");

interface Complaint {
  readonly place: SourceLocation;
  readonly reason: string;
}

/** What the compiler, JSON or V8 says of the text of a module; undefined when `error` is nothing of the sort. */
function syntaxError(error: unknown, file: string): Complaint | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  if (error.name === "CompileError") return compilerComplaint(error as SyntaxError & CompileErrorFields);
  if (file.endsWith(".json")) return jsonComplaint(error, file);
  return v8Complaint(error, file);
}

interface CompileErrorFields {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly reason: string;
  readonly more: number;
}

function compilerComplaint({ file, line, column, reason, more }: CompileErrorFields): Complaint {
  return { place: { file, line, column }, reason: more > 0 ? `${reason} (and ${more} more)` : reason };
}

function jsonComplaint({ message }: Error, file: string): Complaint {
  const found = /\(line (\d+) column (\d+)\)/.exec(message);
  const text = readFileSync(file, "utf8");
  const end = text.trimEnd().split("\n");
  const place = found
    ? { file, line: Number(found[1]), column: Number(found[2]) }
    : { file, line: end.length, column: (end.at(-1) ?? "").length + 1 };
  return { place, reason: `no JSON: ${message.replace(/ in JSON at position \d+.*$/s, "")}` };
}

/** Compiles but does not parse as CommonJS: V8 says the line in the compiled form, and draws the column. */
function v8Complaint(error: Error, file: string): Complaint | undefined {
  const found = /^(.+):(\d+)\n.*\n( *)\^/.exec(error.stack ?? "");
  if (found?.[1] !== file) return undefined;
  const map = mapOf(compiledForm(readFileSync(file, "utf8"), file));
  const place = map && mapped(map, Number(found[2]), (found[3] ?? "").length + 1);
  return { place: { file, ...place }, reason: error.message };
}
