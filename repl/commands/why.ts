import { whyText } from "../views/_why";
import type { Command } from "./command";

export const why: Command = {
  name: "why",
  summary: "explain the last failure in full",
  run: (_, { shell }) => {
    const reports = shell.lastFailures.flatMap((each) => each.reports);
    if (reports.length === 0) return shell.print("nothing has failed in this session");
    shell.print(reports.map((report) => whyText(report, shell.workspace.consfig)).join("\n\n"));
    if (shell.failures.length === 0) shell.print("all of this has since succeeded or been skipped");
  },
};
