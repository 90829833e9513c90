import { openShellOn } from "../choices";
import { hostNamed, hostWords } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

export const shell: Command = {
  name: "shell",
  takes: "[HOST]",
  does: "a shell on a host, over the connection that is open; without HOST, where something failed",
  completions: hostWords,
  run: async (name, { shell }) => {
    const { terminal } = shell;
    if (!terminal) throw new CommandError(".shell needs somebody at a terminal: it is not for playbooks");
    const failed = shell.failures[0]?.reports[0]?.host;
    if (!name && failed === undefined) throw new CommandError(".shell needs a host, such as .shell web1");
    const known = shell.failures.some(({ reports }) => reports.some(({ host }) => host === name));
    const host = !name ? (failed ?? "") : known ? name : hostNamed(name, { shell });
    await openShellOn(host, shell, terminal);
  },
};
