import { session } from "../../lib/controller/session";
import type { Command } from "./command";
import { CommandError } from "./error";

export const verbose: Command = {
  name: "verbose",
  takes: "[on|off]",
  does: "on: what is deployed shows every command that a step runs, how it ended and how long it took",
  completions: () => ["on", "off"],
  run: (argument, { shell }) => {
    if (argument && argument !== "on" && argument !== "off")
      throw new CommandError(".verbose takes nothing, on or off");
    if (argument) session.verbose = argument === "on";
    shell.say(
      session.verbose
        ? "on: every command of what is deployed from now on is shown"
        : "off: only steps are shown, not their commands",
    );
  },
};
