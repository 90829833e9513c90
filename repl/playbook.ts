import { readFileSync } from "node:fs";
import path from "node:path";
import { StringDecoder } from "node:string_decoder";
import { setTimeout } from "node:timers/promises";
import { Rows } from "../lib/explore/rows";
import { IncompleteInput, InvalidInput, type Statement, shownFile } from "./_language";
import { asCommand, runCommand } from "./commands";
import { CommandError } from "./commands/error";
import type { RunOptions } from "./evaluate";
import { print } from "./print";
import type { Shell } from "./shell";

/** A playbook that cannot be read or is not valid TypeScript; none of it has run. */
export class InvalidPlaybook extends CommandError {}

/** The playbook ends in the middle of a statement. */
class IncompletePlaybook extends InvalidPlaybook {}

/** Runs the playbook `file` in `shell`. False if a deployment failed: the statements after it have not run. */
export async function playFile(file: string, shell: Shell, options: RunOptions = {}): Promise<boolean> {
  if (/\.[cm]?[jt]sx?$/.test(file))
    throw new InvalidPlaybook(`${shownFile(file)} is a TypeScript module; a playbook is a .repl file`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new InvalidPlaybook(
      code === "ENOENT"
        ? `no such playbook: ${shownFile(file)}`
        : `cannot read ${shownFile(file)}: ${message}`,
    );
  }
  return playText(text, path.resolve(file), shell, options);
}

/** Runs `text`, a playbook from `file`. All of it is compiled before any of it runs. */
export async function playText(
  text: string,
  file: string,
  shell: Shell,
  options: RunOptions = {},
): Promise<boolean> {
  return playSteps(readPlaybook(text, file, shell), file, shell, options);
}

/** After a pause this long, the statements read so far are run. */
const PAUSE_MS = 150;

/**
 * Runs a playbook from a stream: each time its writer pauses, the statements that are complete. Input without a pause
 * is read as a whole before any of it runs.
 */
export async function playStream(
  input: AsyncIterable<Buffer | string>,
  file: string,
  shell: Shell,
  options: RunOptions = {},
): Promise<boolean> {
  const chunks = input[Symbol.asyncIterator]();
  const decoder = new StringDecoder("utf8");
  let text = "";
  let next = chunks.next();
  for (;;) {
    const read = await Promise.race([next, setTimeout(PAUSE_MS)]);
    if (read && !read.done) {
      text += typeof read.value === "string" ? read.value : decoder.write(read.value);
      next = chunks.next();
      continue;
    }
    const steps = read ? readPlaybook(text, file, shell) : readSoFar(text, file, shell);
    if (steps && !(await playSteps(steps, file, shell, options))) return false;
    if (read || shell.ended) return true;
    if (steps) text = text.replace(/[^\n]/g, ""); // keeps line numbers
    await next;
  }
}

/** The steps in `text`; undefined if it ends in the middle of a line or statement. */
function readSoFar(text: string, file: string, shell: Shell): PlaybookStep[] | undefined {
  if (!text.endsWith("\n")) return undefined;
  try {
    return readPlaybook(text, file, shell);
  } catch (error) {
    if (error instanceof IncompletePlaybook) return undefined;
    throw error;
  }
}

async function playSteps(
  steps: readonly PlaybookStep[],
  file: string,
  shell: Shell,
  options: RunOptions,
): Promise<boolean> {
  for (const step of steps) {
    shell.reports = [];
    if ("command" in step) {
      const { name, argument } = step.command;
      const play = (other: string) => playFile(path.resolve(path.dirname(file), other), shell, options);
      await runCommand(name, argument, { shell, play });
    } else {
      shell.refresh();
      const value = await shell.run([step.statement], options);
      if (value instanceof Rows) shell.print(print(value));
      shell.workspace.scope.last = value;
    }
    if (shell.reports.some(({ ok }) => !ok)) return false;
    if (shell.ended) return true;
  }
  return true;
}

type PlaybookStep = { readonly line: number } & (
  | { readonly command: { name: string; argument: string } }
  | { readonly statement: Statement }
);

/**
 * The statements and dot-commands of a playbook, in the order in which they run. A line that begins with `#` is a
 * comment; a dot-command is a line between statements that begins with a dot and a name.
 */
function readPlaybook(text: string, file: string, shell: Shell): PlaybookStep[] {
  const lines = text.split("\n");
  const commands: PlaybookStep[] = [];
  const code = lines.map((line, index) => {
    if (/^\s*#/.test(line)) return "";
    const command = commandAt(lines, index);
    if (!command) return line;
    commands.push({ line: index + 1, command });
    return "";
  });
  const statements = compiled(code.join("\n"), file, shell).map((statement) => ({
    line: statement.hoisted ? 0 : statement.line,
    statement,
  }));
  return [...statements, ...commands].sort((a, b) => a.line - b.line);
}

/** The dot-command in a line of a playbook; undefined if the line is something else. */
export const commandAt = (
  lines: readonly string[],
  index: number,
): { name: string; argument: string } | undefined =>
  isContinued(lines, index) ? undefined : asCommand(lines[index] ?? "");

/** Whether the line continues the statement above, as `.then(…)` does, and is not a dot-command. */
function isContinued(lines: readonly string[], index: number): boolean {
  const line = lines[index] ?? "";
  return /^\s/.test(line) || /^\.[A-Za-z_$][\w$]*\s*[(?.[]/.test(line);
}

function compiled(code: string, file: string, shell: Shell): Statement[] {
  try {
    return shell.workspace.compile(code, file, { directory: path.dirname(file), cache: true });
  } catch (error) {
    if (error instanceof IncompleteInput)
      throw new IncompletePlaybook(`${shownFile(file)}: unexpected end of input: ${error.message}`);
    if (error instanceof InvalidInput) throw new InvalidPlaybook(error.message);
    throw error;
  }
}
