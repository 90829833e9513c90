import { colour } from "../_colour";
import { beside, fitted } from "../_layout";
import type { Command } from "./command";

export const help: Command = {
  name: "help",
  summary: "list the commands",
  run: (_, { shell, commands }) => {
    const usages = [...commands.values()].map(({ name, parameters, summary }) => [
      `.${name}${parameters ? ` ${parameters}` : ""}`,
      summary,
    ]);
    const width = Math.max(...[...usages, ...EXAMPLES].map(([usage = ""]) => usage.length));
    shell.print(
      [
        ...fitted('Type TypeScript. Hosts, properties and everything in "consfigurator" are in scope.'),
        ...EXAMPLES.map(([input, summary]) => beside(`  ${input.padEnd(width)}  `, width + 4, summary)),
        "",
        ...usages.map(([usage = "", summary = ""]) =>
          beside(`  ${colour.cyan(usage.padEnd(width))}  `, width + 4, summary),
        ),
        "",
        ...fitted(
          "Tab completes, Ctrl-R searches the history. Ctrl-C stops a deployment after the running step; press it again to cancel that step.",
        ),
      ].join("\n"),
    );
  },
};

const EXAMPLES = [
  ["deploy(web1)", "make web1 match its definition; returns the report"],
  ["deploy([web1, web2])", "deploy both at once"],
  ['deploy(web1, apt.installed("jq"))', "apply an extra property too"],
] as const;
