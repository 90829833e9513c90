/** The error classes, by what the user should do about them. */
import { inspect } from "node:util";
import { cleanText } from "../util/clean-text";
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

/** The consfig asks for something impossible. Refused before connecting; correct the consfig. */
export class InapplicableProperty extends ConsfigError {}

/** Arguments that do not match their schema. The first frame of the stack is the line that passed them. */
export class InvalidArguments extends InapplicableProperty {}

/** A step failed on the host and may have changed something. Check the host. */
export class FailedChange extends ConsfigError {}

/** A step could not start, and changed nothing. Fix the cause and deploy again. */
export class AbortedChange extends FailedChange {}

/** A step of a bound deployment would not do what its plan says, and has done nothing. Make a new plan. */
export class NotAsPlanned extends AbortedChange {}

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

/** An image of a deployment was requested where it cannot be made: behind further hops, or in a part of a deployment. */
export class WrongExecutionContextForImageDump extends AbortedChange {}

/** Prerequisite data are used that the property has not required. */
export class UnrequiredData extends FailedChange {}

/** No source has the required prerequisite data. */
export class MissingData extends AbortedChange {}

/** A command exited with a non-zero code. Thrown inside a property, it is the failure of that step. */
export class RunFailed extends FailedChange {
  constructor(
    readonly command: string,
    readonly result: CommandResult,
  ) {
    super(`\`${beginningOf(command, SHOWN_LENGTH)}\` ended with exit code ${result.exit}${lastLine(result)}`);
  }
}

/** A failure keeps this many characters of its message, and of its command. */
const MESSAGE_LENGTH = 16 * 1024;
/** Messages show this many characters of a command. */
const SHOWN_LENGTH = 200;

function lastLine({ stderr, stdout }: CommandResult): string {
  // Only the end is looked at: it may be a single line of megabytes.
  const end = endOf(stderr) || endOf(stdout);
  const last = cleanText(end).trim().split("\n").at(-1);
  return last ? `: ${beginningOf(last, LAST_LINE_LENGTH)}` : "";
}

const endOf = (output: string): string => {
  const trimmed = output.trimEnd();
  return trimmed.slice(Math.max(trimmed.lastIndexOf("\n") + 1, trimmed.length - LONGEST_LINE));
};

/** Longer last lines are cut at their beginning before they are cleaned. */
const LONGEST_LINE = 16 * 1024;
const LAST_LINE_LENGTH = 1000;

/** The user stopped or cancelled the deployment. */
export class Cancelled extends AbortedChange {}

/** Throws `InvalidArguments` if there are `complaints`. The first frame of its stack is the line that called `caller`. */
export function refuseArguments(subject: string, complaints: readonly string[], caller: Function): void {
  if (complaints.length === 0) return;
  const error = new InvalidArguments(`${subject}: ${complaints.join("; ")}`);
  Error.captureStackTrace(error, caller);
  throw error;
}

/** All problems found while preparing one host, in one error. */
export class Refused extends InapplicableProperty {
  constructor(
    readonly subject: string,
    readonly complaints: readonly string[],
  ) {
    super(
      complaints.length === 1
        ? `${subject}: ${complaints[0]}`
        : `${subject}: ${complaints.length} problems\n${complaints.map((complaint) => `  - ${complaint.replaceAll("\n", "\n    ")}`).join("\n")}`,
    );
  }
}

/** True when the class of `error`, or one that it extends, is called `name`. */
export function isOfClass(error: unknown, name: string): boolean {
  if (!(error instanceof Error)) return false;
  let prototype: object | null = Object.getPrototypeOf(error);
  while (prototype && prototype.constructor.name !== name) prototype = Object.getPrototypeOf(prototype);
  return prototype !== null || error.name === name;
}

/** `error` and its causes as data. Anything thrown is accepted; an object that is not an error is printed. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "Error", message: textOf(error) };
  const stack = frames(error);
  const ran = withCauses(error).find((each) => each instanceof RunFailed);
  return {
    name: error.name,
    message: beginningOf(wholeMessage(error), MESSAGE_LENGTH),
    ...(stack && { stack }),
    ...(ran && { command: commandOf(ran) }),
  };
}

/** `thrown` itself if it is an error, else an error with its text. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  // The stack would show this function, not the line that threw.
  return Object.assign(new Error(textOf(thrown)), { stack: "" });
}

const textOf = (thrown: unknown): string =>
  typeof thrown === "object" ? inspect(thrown, { breakLength: Number.POSITIVE_INFINITY }) : String(thrown);

/** `error`, its causes, their causes, and so on. */
function withCauses(error: Error, before: readonly unknown[] = []): Error[] {
  const inner = causesOf(error).filter(
    (cause) => cause instanceof Error && !before.includes(cause),
  ) as Error[];
  return [error, ...inner.flatMap((cause) => withCauses(cause, [...before, error]))];
}

/** Some classes have complete messages for the user: their causes are left out. */
function causesOf(error: Error): readonly unknown[] {
  if (error instanceof ConnectionFailed || error instanceof InapplicableProperty) return [];
  if (error instanceof AggregateError) return error.errors;
  return error.cause === undefined ? [] : [error.cause];
}

/** The message of `error`, followed by those of its causes that it does not contain already. */
function wholeMessage(error: Error, before: readonly unknown[] = []): string {
  const reasons = causesOf(error)
    .filter((cause) => !before.includes(cause))
    .map((cause) => (cause instanceof Error ? wholeMessage(cause, [...before, error]) : textOf(cause)))
    .filter((reason) => reason !== "" && !error.message.includes(reason));
  return [error.message, ...new Set(reasons)].filter((part) => part !== "").join("; caused by: ");
}

function commandOf({
  command,
  result: { exit, stdout, stderr },
}: RunFailed): NonNullable<Failure["command"]> {
  return {
    command: beginningOf(command, MESSAGE_LENGTH),
    exit,
    stdout: excerptOf(stdout),
    stderr: excerptOf(stderr),
  };
}

/** A failure reported by another process as an error to rethrow, with its original stack. */
export function errorOf({ name, message, stack }: Failure): FailedChange {
  const untouched = ["AbortedChange", "ConnectionFailed", "MissingData"].includes(name);
  const error = new (untouched ? AbortedChange : FailedChange)(message);
  if (stack) error.stack = `${name}: ${message}\n${stack}`;
  return error;
}

/** An error that ended a nested deployment, and that a combinator around it expects. */
export interface Expected {
  /** The expected class. */
  readonly name: string;
  readonly message: string;
  readonly touched: boolean;
}

/** `expected` as an error to rethrow, with the name of its class. */
export const expectedError = ({ name, message, touched }: Expected): FailedChange =>
  Object.assign(new (touched ? FailedChange : AbortedChange)(message), { name });

/** The frames of `error`'s stack, without the message above them. */
export function frames({ name, message, stack = "" }: Error): string {
  // The message may contain what a host printed, such as lines that look like frames.
  const header = [`${name}: ${message}`, message].find((each) => each !== "" && stack.startsWith(each)) ?? "";
  return stack
    .slice(header.length)
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
}
