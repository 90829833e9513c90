import { session } from "../../lib/controller/session";
import type { Command } from "./command";
import { CommandError } from "./error";

export const verbose: Command = {
  name: "verbose",
  parameters: "[on|off]",
  summary: "on: show every command that a step runs",
  completions: () => ["on", "off"],
  run: (argument, { shell }) => {
    if (argument && argument !== "on" && argument !== "off")
      throw new CommandError("usage: .verbose [on|off]");
    if (argument) session.verbose = argument === "on";
    shell.print(
      session.verbose
        ? "on: new deployments show every command"
        : "off: new deployments show only their steps",
    );
  },
};
