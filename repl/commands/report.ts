import { finalText } from "../views/_text";
import { treeOf } from "../views/_tree";
import type { Command } from "./command";

export const report: Command = {
  name: "report",
  does: "the last report in full: every step, and all that was printed",
  run: (_, { shell }) => {
    shell.say(
      shell.reports.length > 0
        ? finalText(shell.reports.map(treeOf), { full: true })
        : "nothing was deployed in this session yet",
    );
  },
};
