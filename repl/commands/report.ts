import { finalText } from "../views/_text";
import { treeOf } from "../views/_tree";
import type { Command } from "./command";

export const report: Command = {
  name: "report",
  summary: "show the last report in full, with all output",
  run: (_, { shell }) => {
    shell.print(
      shell.reports.length > 0
        ? finalText(shell.reports.map(treeOf), { full: true })
        : "nothing deployed in this session yet",
    );
  },
};
