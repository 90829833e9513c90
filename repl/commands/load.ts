import type { Command } from "./command";
import { CommandError } from "./error";

export const load: Command = {
  name: "load",
  takes: "FILE",
  does: "plays a playbook here; what it declares stays",
  takesFile: true,
  run: async (file, { play }) => {
    if (!file) throw new CommandError(".load needs the name of a playbook, such as web.repl");
    await play(file);
  },
};
