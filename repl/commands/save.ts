import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "./command";
import { CommandError } from "./error";

export const save: Command = {
  name: "save",
  parameters: "FILE",
  summary: "save the inputs that succeeded as a playbook",
  takesFile: true,
  run: (file, { shell }) => {
    if (!file) throw new CommandError("usage: .save FILE, such as .save web.repl");
    if (existsSync(file))
      throw new CommandError(`${file} already exists; choose another name, or remove it first`);
    if (shell.transcript.length === 0) throw new CommandError("nothing to save: no input has succeeded yet");
    const text = `// Run it with: consfig play ${path.basename(file)}\n${shell.transcript.join("\n")}\n`;
    try {
      writeFileSync(file, text, { mode: 0o600 });
    } catch (error) {
      throw new CommandError(`cannot write ${file}: ${reasonOf(error)}`);
    }
    shell.print(`wrote ${shell.transcript.length} inputs to ${file}`);
  },
};

/** What Node says of a file, without the code before it and the call after it. */
const reasonOf = (error: unknown): string =>
  (error as Error).message.replace(/^[A-Z0-9]+: /, "").replace(/, \w+( '.*')?$/s, "");
