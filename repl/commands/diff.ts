import { session } from "../../lib/controller/session";
import type { Command } from "./command";
import { CommandError } from "./error";

export const diff: Command = {
  name: "diff",
  parameters: "[on|off]",
  summary: "on: deployments show what each step changes, as plans do",
  completions: () => ["on", "off"],
  run: (argument, { shell }) => {
    if (argument && argument !== "on" && argument !== "off") throw new CommandError("usage: .diff [on|off]");
    if (argument) session.diff = argument === "on";
    shell.print(
      session.diff
        ? "on: new deployments show what each step changes"
        : "off: new deployments show only their steps; .report shows the changes",
    );
  },
};
