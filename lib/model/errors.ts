/** The failures of this project, by what the person at the keyboard should do about them. */
import { inspect } from "node:util";
import { beginningOf, excerptOf } from "../util/excerpt";
import type { CommandResult, Failure } from "./types";

export type { CommandResult, Failure } from "./types";

/** Base of every failure that is not a programming error. */
export class ConsfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The consfig asks for something that cannot be: nobody was connected to. Correct the consfig. */
export class InapplicableProperty extends ConsfigError {}

/** Arguments that do not fit their schema. The first frame of the stack is the line that gave them. */
export class InvalidArguments extends InapplicableProperty {}

/** A step failed on the host; something may have been changed. Go and look. */
export class FailedChange extends ConsfigError {}

/** A step could not start, and nothing was touched. Mend the reason and deploy again. */
export class AbortedChange extends FailedChange {}

/** A hop could not be opened, or its link was lost. */
export class ConnectionFailed extends AbortedChange {
  constructor(
    /** The hop that failed, as written in a consfig. */
    readonly hop: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${hop}: ${message}`, options);
  }
}

/** An image of a deployment was to be made where none can be: behind further hops, in a part of a deployment. */
export class WrongExecutionContextForImageDump extends AbortedChange {}

/** Prerequisite data that no source has. */
export class MissingData extends AbortedChange {}

/** A command that was expected to succeed did not. Inside a property it is reported as its FailedChange. */
export class RunFailed extends FailedChange {
  constructor(
    readonly command: string,
    readonly result: CommandResult,
  ) {
    super(`\`${beginningOf(command, MOST_SHOWN)}\` ended with exit code ${result.exit}${lastWords(result)}`);
  }
}

/** Of a command, in a message. */
const MOST_SHOWN = 200;

function lastWords({ stderr, stdout }: CommandResult): string {
  const last = (stderr.trim() || stdout.trim()).split("\n").at(-1);
  return last ? `: ${last}` : "";
}

/** The deployment was cancelled by the person who started it. */
export class Cancelled extends AbortedChange {}

/**
 * Throws `InvalidArguments` with all `complaints`, when there are any. The first frame of its stack is the line that
 * called `caller`.
 */
export function refuseArguments(subject: string, complaints: readonly string[], caller: Function): void {
  if (complaints.length === 0) return;
  const error = new InvalidArguments(`${subject}: ${complaints.join("; ")}`);
  Error.captureStackTrace(error, caller);
  throw error;
}

/** The several complaints of one preparation, said together. */
export class Refused extends InapplicableProperty {
  constructor(
    readonly subject: string,
    readonly complaints: readonly string[],
  ) {
    super(
      complaints.length === 1
        ? `${subject}: ${complaints[0]}`
        : `${subject}: ${complaints.length} complaints\n${complaints.map((complaint) => `  - ${complaint.replaceAll("\n", "\n    ")}`).join("\n")}`,
    );
  }
}

/** Whether `error` is of the class called `name`, or of one that extends it. */
export function isOfClass(error: unknown, name: string): boolean {
  if (!(error instanceof Error)) return false;
  let prototype: object | null = Object.getPrototypeOf(error);
  while (prototype && prototype.constructor.name !== name) prototype = Object.getPrototypeOf(prototype);
  return prototype !== null || error.name === name;
}

/**
 * `error` as data, with what it was because of. Anything thrown is accepted; a string becomes its own text, an object that
 * is no error is shown.
 */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "Error", message: textOf(error) };
  const stack = frames(error);
  const ran = withCauses(error).find((each) => each instanceof RunFailed);
  return {
    name: error.name,
    message: wholeMessage(error),
    ...(stack && { stack }),
    ...(ran && { command: commandOf(ran) }),
  };
}

/** What was thrown as an error, whatever it was. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  // Where it was thrown nobody knows any more.
  return Object.assign(new Error(textOf(thrown)), { stack: "" });
}

const textOf = (thrown: unknown): string =>
  typeof thrown === "object" ? inspect(thrown, { breakLength: Number.POSITIVE_INFINITY }) : String(thrown);

/** `error`, what it was because of, what that was because of, and so on. */
function withCauses(error: Error, before: readonly unknown[] = []): Error[] {
  const inner = causesOf(error).filter(
    (cause) => cause instanceof Error && !before.includes(cause),
  ) as Error[];
  return [error, ...inner.flatMap((cause) => withCauses(cause, [...before, error]))];
}

/** The messages of some classes say all that there is to say, in words for people. */
function causesOf(error: Error): readonly unknown[] {
  if (error instanceof ConnectionFailed || error instanceof InapplicableProperty) return [];
  if (error instanceof AggregateError) return error.errors;
  return error.cause === undefined ? [] : [error.cause];
}

/** The message of `error`, and of what it was because of, unless it says that already. */
function wholeMessage(error: Error, before: readonly unknown[] = []): string {
  const reasons = causesOf(error)
    .filter((cause) => !before.includes(cause))
    .map((cause) => (cause instanceof Error ? wholeMessage(cause, [...before, error]) : textOf(cause)))
    .filter((reason) => reason !== "" && !error.message.includes(reason));
  return [error.message, ...new Set(reasons)].filter((part) => part !== "").join("; because of: ");
}

function commandOf({
  command,
  result: { exit, stdout, stderr },
}: RunFailed): NonNullable<Failure["command"]> {
  return { command, exit, stdout: excerptOf(stdout), stderr: excerptOf(stderr) };
}

/** A failure that was told from elsewhere, to be thrown on: with the stack that it had there. */
export function errorOf({ name, message, stack }: Failure): FailedChange {
  const untouched = ["AbortedChange", "ConnectionFailed", "MissingData"].includes(name);
  const error = new (untouched ? AbortedChange : FailedChange)(message);
  if (stack) error.stack = `${name}: ${message}\n${stack}`;
  return error;
}

/** What ended a deployment that is nested in ours, and is expected here. */
export interface Expected {
  /** The name of the class by which it is expected. */
  readonly name: string;
  readonly message: string;
  readonly touched: boolean;
}

/** `expected`, to be thrown on: it is of the class called so. */
export const expectedError = ({ name, message, touched }: Expected): FailedChange =>
  Object.assign(new (touched ? FailedChange : AbortedChange)(message), { name });

/** The frames of `error`'s stack, without the message that stands above them. */
export function frames(error: Error): string {
  return (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
}
