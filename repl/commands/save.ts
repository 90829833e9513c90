import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "./command";
import { CommandError } from "./error";

export const save: Command = {
  name: "save",
  takes: "FILE",
  does: "writes what was typed here and succeeded as a playbook",
  takesFile: true,
  run: (file, { shell }) => {
    if (!file) throw new CommandError(".save needs the name of a file, such as web.repl");
    if (existsSync(file))
      throw new CommandError(`${file} is there already; give another name, or remove it first`);
    if (shell.transcript.length === 0)
      throw new CommandError("nothing to save: nothing that was typed here succeeded");
    const text = `// Play it with: consfig play ${path.basename(file)}\n${shell.transcript.join("\n")}\n`;
    writeFileSync(file, text, { mode: 0o600 });
    shell.say(`${shell.transcript.length} inputs written to ${file}`);
  },
};
