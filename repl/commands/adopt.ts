import { inspect } from "node:util";
import type { PropApp } from "../../lib/model/property";
import { adopt as adoptFrom } from "../_adoption";
import { colour } from "../_colour";
import { allHostNames, requireHost } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

export const adopt: Command = {
  name: "adopt",
  parameters: "HOST [PATH…]",
  summary: "describe what is on a host, or its files, as properties to paste",
  completions: (context) => allHostNames(context),
  async run(argument, context) {
    const [given, ...paths] = argument.split(/\s+/).filter(Boolean);
    if (given === undefined || paths.some((path) => !path.startsWith("/")))
      throw new CommandError("usage: .adopt HOST [PATH…], with absolute paths");
    const { shell } = context;
    const name = requireHost(given, context);
    const { applications, left } = await adoptFrom({ name, hops: shell.hopsTo(name) }, paths);
    shell.print(codeOf(applications));
    for (const each of left) shell.print(colour.dim(`// left out: ${each}`));
  },
};

/** As in a consfig: one a line, with a comma. */
const codeOf = (applications: readonly PropApp[]): string =>
  applications.length === 0
    ? "// nothing to describe"
    : applications.map((each) => `${onLines(inspect(each))},`).join("\n");

/** A long call on several lines: the lines of a file each on its own, other texts as many as fit. */
function onLines(code: string): string {
  if (code.length <= LONG) return code;
  const [, before = "", list, after = ""] = /^(.*?)\[ (.*) \](\)+)$/s.exec(code) ?? [];
  if (list !== undefined)
    return `${before}[\n${textsIn(list)
      .map((text) => `  ${text},\n`)
      .join("")}]${after}`;
  const [, name, texts = ""] = /^([\w.]+)\((['"`].*)\)$/s.exec(code) ?? [];
  return name === undefined ? code : `${name}(\n${filled(textsIn(texts))}\n)`;
}

const textsIn = (list: string): readonly string[] =>
  list.match(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/gs) ?? [];

function filled(texts: readonly string[]): string {
  const lines: string[] = [""];
  for (const text of texts) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + text.length > LONG) lines.push(`  ${text},`);
    else lines[lines.length - 1] = `${last === "" ? " " : last} ${text},`;
  }
  return lines.join("\n");
}

const LONG = 76;
