import type { Command } from "./command";
import { CommandError } from "./error";

export const load: Command = {
  name: "load",
  parameters: "FILE",
  summary: "run a playbook in this session",
  takesFile: true,
  run: async (file, { play }) => {
    if (!file) throw new CommandError("usage: .load FILE, such as .load web.repl");
    await play(file);
  },
};
