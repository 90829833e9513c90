import { diagnosticText } from "../diagnostics";
import { interruptible } from "../evaluate";
import type { Command } from "./command";
import { CommandError } from "./error";

export const check: Command = {
  name: "check",
  parameters: "[on|off]",
  summary: "check types; off: stop checking after each save",
  completions: () => ["on", "off"],
  run: async (argument, { shell, signal }) => {
    const { diagnostics } = shell;
    if (argument === "on" || argument === "off") {
      diagnostics.background = argument === "on";
      return shell.print(
        argument === "on"
          ? "on: types are checked after each save"
          : "off: types are not checked after a save",
      );
    }
    if (argument) throw new CommandError("usage: .check [on|off]");
    const found = await interruptible(diagnostics.check(), signal);
    shell.print(found.length > 0 ? found.map(diagnosticText).join("\n") : "types OK");
  },
};
