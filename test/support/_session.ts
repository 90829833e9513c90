/**
 * Reads inputs as JSON from standard input, runs them at a prompt in the consfig given on the command line, and writes
 * the results as JSON to standard output. Output has only the lines that stay on the screen, not the live view. Every
 * question is answered with Enter.
 */
import type { WriteStream } from "node:tty";
import { session } from "../../lib/controller/session";
import { openConsfig } from "../../lib/source/consfig";
import { offerChoices } from "../../repl/choices";
import { asCommand, runCommand } from "../../repl/commands";
import type { Keyboard } from "../../repl/keyboard";
import { playFile } from "../../repl/playbook";
import { Shell } from "../../repl/shell";
import { Terminal } from "../../repl/terminal";
import { LiveScreen } from "../../repl/views/live";
import { Workspace } from "../../repl/workspace";

/** The result of one input. */
export interface Answer {
  /** No error was thrown, and no deployment failed. */
  readonly ok: boolean;
  readonly printed: string;
}

async function main(root: string): Promise<void> {
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  const answers: Answer[] = [];
  let printed = "";
  const out = {
    write: (more: string) => {
      printed += more;
      return true;
    },
  };
  session.consfig = openConsfig(root);
  const workspace = new Workspace(session.consfig);
  const live = new LiveScreen(out);
  live.pause();
  const shell = new Shell(workspace, out, (silent) => (silent ? undefined : live.view()));
  const terminal = new Terminal(enterPressed as Keyboard, out as unknown as WriteStream);
  shell.terminal = terminal;
  shell.offerChoices = (signal) => offerChoices(shell, terminal, signal);
  shell.refresh();
  for (const [index, input] of (JSON.parse(text) as string[]).entries()) {
    printed = "";
    shell.reports = [];
    const ran = await run(input, `prompt://${index + 1}`, shell);
    const ok = ran && shell.reports.every((report) => report.ok);
    answers.push({ ok, printed: printed.replaceAll(/^ *at .*_session\.ts.*\n/gm, "") });
  }
  shell.end();
  await session.close();
  process.stdout.write(JSON.stringify(answers), () => process.exit(0));
}

const enterPressed: Pick<Keyboard, "lend"> = {
  lend: (take) => {
    setImmediate(() => take(Buffer.from("\r")));
    return () => {};
  },
};

/** Runs `input` as the prompt does. */
async function run(input: string, file: string, shell: Shell): Promise<boolean> {
  const command = asCommand(input);
  try {
    if (command) {
      await runCommand(command.name, command.argument, {
        shell,
        signal: new AbortController().signal,
        play: (other) => playFile(other, shell),
      });
      return true;
    }
    shell.refresh();
    const value = await shell.run(shell.workspace.compile(input, file), { attended: true });
    shell.workspace.scope.last = value;
    shell.print(shell.shown(value) ?? "");
    return true;
  } catch (error) {
    shell.printError(error);
    return false;
  }
}

if (require.main === module) void main(process.argv[2] ?? ".");
