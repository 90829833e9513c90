import type { Command } from "./command";
import { CommandError } from "./error";

export const retry: Command = {
  name: "retry",
  summary: "repeat the failed deployment on the hosts where it failed",
  run: async (_, { shell, signal }) => {
    if (shell.failures.length === 0) throw new CommandError("nothing to retry");
    shell.refresh();
    const failed = await shell.retry(shell.failures, signal && { signal });
    if (failed.length > 0 && signal) await shell.offerChoices?.(signal);
  },
};
