import type { Command } from "./command";

export const exit: Command = {
  name: "exit",
  summary: "end the session; agents finish what they are running",
  run: (_, { shell }) => {
    shell.ended = true;
  },
};
