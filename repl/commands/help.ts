import { colour } from "../_colour";
import { beside, fitted } from "../_layout";
import type { Command } from "./command";

export const help: Command = {
  name: "help",
  does: "this list",
  run: (_, { shell, commands }) => {
    const usages = [...commands.values()].map(({ name, takes, does }) => [
      `.${name}${takes ? ` ${takes}` : ""}`,
      does,
    ]);
    const width = Math.max(...[...usages, ...EXAMPLES].map(([usage = ""]) => usage.length));
    shell.say(
      [
        ...fitted('Type TypeScript: hosts, properties and all of "consfigurator" are there by name.'),
        ...EXAMPLES.map(([typed, does]) => beside(`  ${typed.padEnd(width)}  `, width + 4, does)),
        "",
        ...usages.map(([usage = "", does = ""]) =>
          beside(`  ${colour.cyan(usage.padEnd(width))}  `, width + 4, does),
        ),
        "",
        ...fitted(
          "Tab completes, Ctrl-R searches the history. Ctrl-C stops a deployment after its running step; again cancels it.",
        ),
      ].join("\n"),
    );
  },
};

const EXAMPLES = [
  ["deploy(web1)", "makes web1 match its definition; its value is the report"],
  ["deploy([web1, web2])", "both at once"],
  ['deploy(web1, apt.installed("jq"))', "with further properties"],
] as const;
