import type { Command } from "./command";
import { CommandError } from "./error";

export const retry: Command = {
  name: "retry",
  does: "makes the deployment that failed again, on the hosts on which it failed",
  run: async (_, { shell, signal }) => {
    if (shell.failures.length === 0) throw new CommandError("nothing has failed that could be tried again");
    shell.refresh();
    const failed = await shell.again(shell.failures, signal && { signal });
    if (failed.length > 0 && signal) await shell.offerChoices?.(signal);
  },
};
