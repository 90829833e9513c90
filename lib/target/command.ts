import { randomBytes } from "node:crypto";
import { Cancelled, type CommandResult, FailedChange, RunFailed } from "../model/errors";
import { Secret } from "../model/secret";
import type { Command, RunOptions } from "../model/target";
import { beginningOf } from "../util/excerpt";
import { shellQuote, shellWords } from "../util/shell-quote";
import type { Execution } from "./context";
import { Mask } from "./mask";

/** The result of a process, as bytes. */
export interface RawResult {
  readonly exit: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** `command` as shell text. */
export const commandText = (command: Command): string =>
  typeof command === "string" ? command : shellWords(command);

/** What a person may see of `command`. */
export const shownCommand = (command: Command, { secret }: RunOptions): string =>
  secret ? "a command that is secret" : beginningOf(commandText(command), MOST_SHOWN);

/** Of a command, in characters. */
const MOST_SHOWN = 2000;

/** Variables that change the language and the format of messages; unset, `LANG` alone counts. */
const LOCALE_VARIABLES = [
  "LANGUAGE",
  "LC_ALL",
  ...[
    "ADDRESS",
    "COLLATE",
    "CTYPE",
    "IDENTIFICATION",
    "MEASUREMENT",
    "MESSAGES",
    "MONETARY",
    "NAME",
    "NUMERIC",
  ].map((category) => `LC_${category}`),
  ...["PAPER", "TELEPHONE", "TIME"].map((category) => `LC_${category}`),
];

/** The locale of every command, whatever that of the host is: messages in English, and texts in UTF-8. */
export const LOCALE: Readonly<Record<string, string | null>> = {
  ...Object.fromEntries(LOCALE_VARIABLES.map((name) => [name, null])),
  LANG: "C.UTF-8",
};

/** `LOCALE` as one line of shell text. */
export const LOCALE_LINE = `unset ${LOCALE_VARIABLES.join(" ")}; LANG=C.UTF-8; export LANG; `;

/**
 * Whether `script` is read by its shell from a descriptor: when it holds what other users must not see in the list of
 * processes, or sudo in its log; and when it may become longer than an argument can be, 128 KiB, once every hop has quoted it.
 */
export const travelsApart = (script: string, { hidden }: Pick<Execution, "hidden">): boolean =>
  hidden === true || script.length > LONG || Buffer.byteLength(script) + 40 * quotesIn(script) > 2 * LONG;

const LONG = 16_000;

const quotesIn = (script: string): number => script.split(/['\\!]/).length - 1;

/**
 * Shell text that runs the script that comes as one line from `descriptor`, and nothing when that does not come to its end. The
 * shell reads no byte too many.
 */
export const scriptFrom = (descriptor: number): string =>
  `IFS= read -r s <&${descriptor} || exit; ${descriptor === 0 ? "" : `exec ${descriptor}<&-; `}s=$(printf '%b_' "$s"); eval "unset s; \${s%_}"`;

/** `script` for `scriptFrom`. */
export const onOneLine = (script: string): string =>
  `${script.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`;

/** This exit code, and this word on stderr, mean that the directory could not be entered. */
const CANNOT_ENTER = 97;
const word = `cannot-enter-${randomBytes(9).toString("hex")}`;

/** `command` after entering `directory`, shell text too: it must be absolute. Variables are set in between. */
export const inDirectory = (directory: string, command: string, variables = ""): string =>
  `umask 022; cd ${directory} || { echo ${word} >&2; exit ${CANNOT_ENTER}; }\n${variables}${command}`;

/** `env` as shell text that exports and unsets. */
export const exported = (env: RunOptions["env"] = {}): string =>
  Object.entries(env)
    .map(([name, value]) => (value === null ? `unset ${name}\n` : `export ${name}=${shellQuote(value)}\n`))
    .join("");

/** `raw` as the result of `command`, or the failure that it is, which shows nothing of a secret input. */
export function commandResult(command: Command, raw: RawResult, options: RunOptions): CommandResult {
  const result = { exit: raw.exit, stdout: raw.stdout.toString("utf8"), stderr: raw.stderr.toString("utf8") };
  if (result.exit === CANNOT_ENTER && result.stderr.trimEnd().endsWith(word)) {
    const where = options.cwd ?? "the home directory";
    throw new FailedChange(
      `cannot run \`${shownCommand(command, options)}\` in ${where}: ${lastReason(result.stderr.replace(word, ""))}; give it another \`cwd\``,
    );
  }
  if (result.exit === 0 || options.mayFail) return result;
  if (options.secret)
    throw new RunFailed(shownCommand(command, options), { exit: result.exit, stdout: "", stderr: "" });
  const { input } = options;
  throw new RunFailed(
    commandText(command),
    input instanceof Secret ? new Mask(input).inResult(result) : result,
  );
}

/** The error of what `signal` has ended: `Cancelled` when the deployment was, with these words; else its reason. */
export const abortedWith = (signal: AbortSignal, words: string): Error =>
  signal.reason instanceof FailedChange && !(signal.reason instanceof Cancelled)
    ? signal.reason
    : new Cancelled(words);

/** The reason in the error message of a tool or a system call: the words after the last colon. */
export function lastReason(printed: string): string {
  const line = printed.trim().split("\n").at(-1) ?? "";
  const reason = line.split(": ").at(-1)?.trim() ?? "";
  if (reason === "") return "it ended without saying why";
  const plain = NO_DIRECTORY.test(reason) ? "No such file or directory" : reason;
  return plain.charAt(0).toLowerCase() + plain.slice(1);
}

/** How dash and busybox say it of a file they were to make. */
const NO_DIRECTORY = /^(Directory nonexistent|nonexistent directory)$/;
