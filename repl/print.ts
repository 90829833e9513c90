import { inspect } from "node:util";
import { ConnectionFailed, ConsfigError, type Failure, frames, RunFailed } from "../lib/model/errors";
import { type AnyDefinition, properties } from "../lib/model/property";
import type { FleetReport, Report } from "../lib/model/report";
import { ConsfigLoadError } from "../lib/source/loadError";
import { cleanText } from "../lib/util/clean-text";
import { similar } from "../lib/util/similar";
import { colour } from "./_colour";
import { userFrames } from "./_frames";
import { InvalidInput } from "./_language";
import { fitted, fittedCode } from "./_layout";
import { CommandError } from "./commands/error";
import { Interrupted } from "./evaluate";
import { finalText } from "./views/_text";
import { treeOf } from "./views/_tree";

/**
 * Formats `value` for the prompt: reports as views do, properties with a pointer to `.doc`, anything else as Node does.
 */
export function print(value: unknown): string {
  if (isReport(value)) return finalText([treeOf(value)]);
  if (isFleetReport(value)) return finalText(value.reports.map(treeOf));
  if (isProperty(value))
    return `${colour.cyan(value.definition.name)}: a property; see .doc ${value.definition.name}`;
  if (isNoun(value)) return nounText(value);
  const shown = inspect(value, {
    colors: colour.level > 0,
    depth: 4,
    compact: 3,
    breakLength: process.stdout.columns ?? 80,
  });
  return typeof value === "string" ? shown : fittedCode(shown).join("\n");
}

export const isReport = (value: unknown): value is Report =>
  isObject(value) &&
  Object.hasOwn(value, "steps") &&
  Array.isArray(value["steps"]) &&
  typeof value["deployment"] === "string" &&
  "status" in value;

export const isFleetReport = (value: unknown): value is FleetReport =>
  isObject(value) &&
  Object.hasOwn(value, "reports") &&
  Array.isArray(value["reports"]) &&
  value["reports"].every(isReport);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

const isProperty = (value: unknown): value is { definition: AnyDefinition } =>
  typeof value === "function" &&
  "definition" in value &&
  properties.get((value.definition as AnyDefinition).name) !== undefined;

/** Whether it is a module of properties, such as `file`. */
const isNoun = (value: unknown): value is Record<string, unknown> =>
  isObject(value) &&
  Object.values(value).length > 0 &&
  Object.values(value).every((one) => typeof one === "function") &&
  Object.values(value).some(isProperty);

function nounText(noun: Record<string, unknown>): string {
  const names = Object.values(noun)
    .filter(isProperty)
    .map(({ definition }) => definition.name);
  return names
    .sort()
    .map((name) => colour.cyan(name))
    .join("\n");
}

export interface ErrorOptions {
  /** Maps compiled positions to the user's lines. */
  readonly mapPositions?: (text: string) => string;
  /** Names to suggest. */
  readonly names?: () => string[];
  /** The dot-command that a word may mean. */
  readonly command?: (word: string) => string | undefined;
  /** The member names of `a.b`, read without running code. */
  readonly members?: (chain: string) => string[];
  /** Why the consfig in use is not the latest one. */
  readonly loadError?: ConsfigLoadError | undefined;
}

/** Formats a thrown value for the user: message, hint, and only the frames of their own files. */
export function printError(
  error: unknown,
  {
    mapPositions = (text) => text,
    names = () => [],
    command = () => undefined,
    members = () => [],
    loadError,
  }: ErrorOptions = {},
): string {
  if (error instanceof Interrupted) return colour.yellow("interrupted");
  if (!(error instanceof Error)) return `${colour.red("thrown:")} ${print(error)}`;
  // It may contain what a host printed.
  const title = cleanText(isSelfContained(error) ? error.message : `${error.name}: ${error.message}`);
  const inFile = error instanceof ConsfigLoadError;
  const thrown = inFile ? error.reason : `${error.name}: ${error.message}`;
  const isUnknown = !inFile && error.name === "ReferenceError";
  const hint =
    isUnknown && loadError
      ? `this is the previous consfig: ${placeOf(loadError)} failed to load`
      : (hintFor(thrown, names, inFile ? undefined : command) ?? memberHint(thrown, members));
  // A position that the message begins with is not repeated.
  const isNew = (frame: string) => !title.startsWith(`${frame.replace(/^at /, "")}: `);
  const stack = hasNoFrames(error) ? [] : userFrames(frames(error)).map(mapPositions).filter(isNew);
  return [
    ...fitted(title).map((line) => colour.red(line)),
    ...(hint ? fitted(hint) : []),
    ...(error instanceof RunFailed ? outputOf({ ...error.result }) : []),
    ...stack.map((frame) => colour.dim(`  ${frame}`)),
    ...fieldsOf(error),
    ...(error.cause === undefined || includesCause(error, error.cause)
      ? []
      : [colour.dim("caused by"), printError(error.cause, { mapPositions })]),
  ].join("\n");
}

/** Whether the message of `error` already contains its cause. */
const includesCause = (error: Error, cause: unknown): boolean =>
  error instanceof ConnectionFailed ||
  error instanceof ConsfigLoadError ||
  (cause instanceof Error && error.message.includes(cause.message));

/** Whether the message says everything, so that the name of the class adds nothing. */
const isSelfContained = (error: Error): boolean =>
  error instanceof ConsfigError && !(error instanceof RunFailed);

/** Whether no line of the user's code caused it. */
const hasNoFrames = (error: Error): boolean => error instanceof CommandError || error instanceof InvalidInput;

/** "Did you mean" for an unknown name. */
function hintFor(
  thrown: string,
  names: () => string[],
  /** Undefined for an error in a file, where there are no dot-commands. */
  command: ((word: string) => string | undefined) | undefined,
): string | undefined {
  const [, unknown, undefinedImport] =
    /^(?:ReferenceError: (\S+) is not defined|TypeError: ([\w$]+) is not a function)$/.exec(thrown) ?? [];
  if (undefinedImport !== undefined) return meantBy(similar(names(), undefinedImport, 4));
  if (unknown === undefined) return undefined;
  const meantCommand = command?.(unknown);
  if (meantCommand !== undefined) return `did you mean .${meantCommand}?`;
  return meantBy(similar(names(), unknown, 4)) ?? (command && "see .hosts and .props");
}

const placeOf = ({ message, reason }: ConsfigLoadError): string =>
  message.slice(0, message.indexOf(`: ${reason}`));

const meantBy = (names: readonly string[]): string | undefined =>
  names.length > 0 ? `did you mean ${names.join(" or ")}?` : undefined;

/** "Did you mean" for an unknown member: `apt.instaled is not a function`. */
function memberHint(thrown: string, members: (chain: string) => string[]): string | undefined {
  const [, chain, name] =
    /^TypeError: ([\w$.]+)\.([\w$]+) is not a (?:function|constructor)$/.exec(thrown) ?? [];
  if (chain === undefined || name === undefined) return undefined;
  return meantBy(similar(members(chain), name, 4).map((each) => `${chain}.${each}`));
}

const outputOf = ({
  stdout,
  stderr,
}: NonNullable<Failure["command"]> | { stdout: string; stderr: string }): string[] =>
  [stdout, stderr]
    .flatMap((text) => (text.trim() ? cleanText(text).trimEnd().split("\n") : []))
    .map((line) => colour.dim(`  | ${line}`));

/** Further fields of an error, such as `code` and `path`. Our own errors have theirs in the message. */
function fieldsOf(error: Error): string[] {
  if (error instanceof ConsfigError || error instanceof InvalidInput) return [];
  const isSaid = "syscall" in error ? IN_MESSAGE : [];
  const fields = Object.entries(error).filter(
    ([key, value]) => key !== "stack" && typeof value !== "function" && !isSaid.includes(key),
  );
  return fields.length > 0
    ? [colour.dim(`  ${inspect(Object.fromEntries(fields), { depth: 1, breakLength: 100 })}`)]
    : [];
}

/** The fields of an error of the system, all of which its message has. */
const IN_MESSAGE: readonly string[] = ["errno", "code", "syscall", "path", "dest", "address", "port"];
