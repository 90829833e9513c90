import { openShellOn } from "../choices";
import { allHostNames, requireHost } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

export const shell: Command = {
  name: "shell",
  parameters: "[HOST]",
  summary: "open a shell on HOST, or on the host that failed",
  completions: allHostNames,
  run: async (name, { shell }) => {
    const { terminal } = shell;
    if (!terminal) throw new CommandError(".shell needs a terminal; it does not work in a playbook");
    const failed = shell.failures[0]?.reports[0]?.host;
    if (!name && failed === undefined) throw new CommandError("usage: .shell HOST, such as .shell web1");
    const known = shell.failures.some(({ reports }) => reports.some(({ host }) => host === name));
    const host = !name ? (failed ?? "") : known ? name : requireHost(name, { shell });
    await openShellOn(host, shell, terminal);
  },
};
