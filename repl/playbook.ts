import { readFileSync } from "node:fs";
import path from "node:path";
import { StringDecoder } from "node:string_decoder";
import { setTimeout } from "node:timers/promises";
import { InvalidInput, type Statement, shownFile, Unfinished } from "./_language";
import { asCommand, runCommand } from "./commands";
import { CommandError } from "./commands/error";
import type { RunOptions } from "./evaluate";
import type { Shell } from "./shell";

/** A playbook that cannot be read or is no TypeScript: it was not begun. */
export class InvalidPlaybook extends CommandError {}

/** It breaks off in the middle of a statement. */
class UnfinishedPlaybook extends InvalidPlaybook {}

/** Plays the playbook `file` in `shell`. False when a deployment failed: what stands after that was not begun. */
export async function playFile(file: string, shell: Shell, options: RunOptions = {}): Promise<boolean> {
  if (/\.[cm]?[jt]sx?$/.test(file))
    throw new InvalidPlaybook(`${shownFile(file)} is a module of TypeScript; a playbook is a .repl file`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new InvalidPlaybook(
      code === "ENOENT"
        ? `there is no file ${shownFile(file)}`
        : `${shownFile(file)} cannot be read: ${message}`,
    );
  }
  return playText(text, path.resolve(file), shell, options);
}

/** Plays `text`, a playbook from `file`: everything is read before anything is done. */
export async function playText(
  text: string,
  file: string,
  shell: Shell,
  options: RunOptions = {},
): Promise<boolean> {
  return playSteps(readPlaybook(text, file, shell), file, shell, options);
}

/** A writer that is silent for this long (milliseconds) waits for what it has written to be played. */
const PAUSE_MS = 150;

/**
 * Plays what comes on `input`, as it comes: each time its writer pauses, as far as the statements are complete. What
 * comes without a pause is read as a whole before anything of it is done.
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
    const come = await Promise.race([next, setTimeout(PAUSE_MS)]);
    if (come && !come.done) {
      text += typeof come.value === "string" ? come.value : decoder.write(come.value);
      next = chunks.next();
      continue;
    }
    const steps = come ? readPlaybook(text, file, shell) : readSoFar(text, file, shell);
    if (steps && !(await playSteps(steps, file, shell, options))) return false;
    if (come || shell.ended) return true;
    if (steps) text = text.replace(/[^\n]/g, ""); // so that lines keep their numbers
    await next;
  }
}

/** The steps in `text`, unless it ends in the middle of a line or of a statement. */
function readSoFar(text: string, file: string, shell: Shell): PlaybookStep[] | undefined {
  if (!text.endsWith("\n")) return undefined;
  try {
    return readPlaybook(text, file, shell);
  } catch (error) {
    if (error instanceof UnfinishedPlaybook) return undefined;
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
      shell.workspace.scope.last = await shell.run([step.statement], options);
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
 * The statements and dot-commands of a playbook in the order in which they are played. A line of which `#` is the first
 * sign is a comment; a dot-command is a line between statements that begins with a dot and a name.
 */
function readPlaybook(text: string, file: string, shell: Shell): PlaybookStep[] {
  const lines = text.split("\n");
  const commands: PlaybookStep[] = [];
  const code = lines.map((line, index) => {
    if (/^\s*#/.test(line)) return "";
    const command = asCommand(line);
    if (!command || isContinued(lines, index)) return line;
    commands.push({ line: index + 1, command });
    return "";
  });
  const statements = compiled(code.join("\n"), file, shell).map((statement) => ({
    line: statement.hoisted ? 0 : statement.line,
    statement,
  }));
  return [...statements, ...commands].sort((a, b) => a.line - b.line);
}

/** `.then(…)` on a line of its own goes on with the line above; a dot-command stands after the end of a statement. */
function isContinued(lines: readonly string[], index: number): boolean {
  const line = lines[index] ?? "";
  return /^\s/.test(line) || /^\.[A-Za-z_$][\w$]*\s*[(?.[]/.test(line);
}

function compiled(code: string, file: string, shell: Shell): Statement[] {
  try {
    return shell.workspace.compile(code, file, { directory: path.dirname(file), keep: true });
  } catch (error) {
    if (error instanceof Unfinished)
      throw new UnfinishedPlaybook(
        `${shownFile(file)} breaks off in the middle of a statement: ${error.message}`,
      );
    if (error instanceof InvalidInput) throw new InvalidPlaybook(error.message);
    throw error;
  }
}
