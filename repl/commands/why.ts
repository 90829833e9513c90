import { whyText } from "../views/_why";
import type { Command } from "./command";

export const why: Command = {
  name: "why",
  summary: "explain the last failure in full",
  run: (_, { shell }) => {
    const { consfig } = shell.workspace;
    const texts = shell.lastFailures.flatMap(({ deployment, reports }) =>
      reports.map((report) => whyText(report, consfig, deployment.applications)),
    );
    if (texts.length === 0) return shell.print("nothing has failed in this session");
    shell.print(texts.join("\n\n"));
    if (shell.failures.length === 0) shell.print("all of this has since succeeded or been skipped");
  },
};
