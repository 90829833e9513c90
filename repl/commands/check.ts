import { diagnosticText } from "../diagnostics";
import { interruptible } from "../evaluate";
import type { Command } from "./command";
import { CommandError } from "./error";

export const check: Command = {
  name: "check",
  takes: "[on|off]",
  does: "what the type checker says of the consfig; off: saves are no longer checked in the background",
  completions: () => ["on", "off"],
  run: async (argument, { shell, signal }) => {
    const { diagnostics } = shell;
    if (argument === "on" || argument === "off") {
      diagnostics.background = argument === "on";
      return shell.say(
        argument === "on"
          ? "what is saved is checked in the background"
          : "what is saved is not checked any more",
      );
    }
    if (argument) throw new CommandError(".check takes nothing, on or off");
    const found = await interruptible(diagnostics.check(), signal);
    shell.say(found.length > 0 ? found.map(diagnosticText).join("\n") : "types fit");
  },
};
