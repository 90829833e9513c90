import { colour } from "../_colour";
import type { Command } from "./command";

export const help: Command = {
  name: "help",
  does: "this list",
  run: (_, { shell }) => {
    const { commands } = require("./index") as typeof import("./index");
    const usages = [...commands.values()].map(({ name, takes, does }) => [
      `.${name}${takes ? ` ${takes}` : ""}`,
      does,
    ]);
    const width = Math.max(...usages.map(([usage = ""]) => usage.length));
    shell.say(
      [
        'Type TypeScript: hosts, properties and all of "consfigurator" are there by name.',
        "  deploy(web1)              makes web1 match its definition; its value, and _, is the report",
        "  deploy([web1, web2])      both at once",
        '  deploy(web1, apt.installed("jq"))   with further properties',
        "",
        ...usages.map(([usage = "", does = ""]) => `  ${colour.cyan(usage.padEnd(width))}  ${does}`),
        "",
        "Tab completes, Ctrl-R searches the history. Ctrl-C stops a deployment after its running step; again cancels it.",
      ].join("\n"),
    );
  },
};
