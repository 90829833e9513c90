import type { Command } from "./command";

export const exit: Command = {
  name: "exit",
  does: "ends the session; what runs on hosts goes on there",
  run: (_, { shell }) => {
    shell.ended = true;
  },
};
