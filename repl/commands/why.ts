import { whyText } from "../views/_why";
import type { Command } from "./command";

export const why: Command = {
  name: "why",
  does: "the last failure in full: what, where, its output, what was changed before, what a retry does",
  run: (_, { shell }) => {
    const reports = shell.lastFailures.flatMap((each) => each.reports);
    if (reports.length === 0) return shell.say("nothing has failed in this session");
    shell.say(reports.map((report) => whyText(report, shell.workspace.consfig.root)).join("\n\n"));
    if (shell.failures.length === 0) shell.say("all of this went well since, or was left out");
  },
};
