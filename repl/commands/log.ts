import { journals } from "../../lib/controller/journals";
import { colour } from "../_colour";
import { interruptible } from "../evaluate";
import { finalText } from "../views/_text";
import { treeOf } from "../views/_tree";
import { outcome } from "../views/_words";
import { allHostNames, resolveHost } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

const MAX_LISTED = 10;

export const log: Command = {
  name: "log",
  parameters: "HOST [N]",
  summary: "recent deployments on HOST, by anyone; N shows one in full",
  completions: allHostNames,
  run: async (argument, { shell, signal }) => {
    const [name, nth, ...more] = argument.split(/\s+/).filter(Boolean);
    if (name === undefined || more.length > 0 || !/^([1-9]\d?)?$/.test(nth ?? ""))
      throw new CommandError("usage: .log HOST [N], such as .log web1 or .log web1 1");
    const host = resolveHost(name, { shell }) ?? name;
    const all = await interruptible(
      journals(host, shell.hopsTo(host), nth ? Number(nth) : MAX_LISTED),
      signal,
    );
    if (all.length === 0) return shell.print(`the agent on ${host} has no deployments in its log`);
    const found = nth ? all[Number(nth) - 1] : undefined;
    if (found)
      return shell.print(`${head(found.at, found.by)}\n${finalText([treeOf(found.report)], { full: true })}`);
    if (nth) throw new CommandError(`the agent on ${host} has only ${all.length} deployments in its log`);
    const lines = all.map(({ at, by, over, report }, index) => {
      const result = over ? outcome(treeOf(report)) : "still running, or never finished";
      return `${`${index + 1}`.padStart(2)}  ${head(at, by)}  ${result}`;
    });
    shell.print(lines.join("\n"));
  },
};

const head = (at: string, by: string): string =>
  colour.dim(`${at.slice(0, 19).replace("T", " ")} UTC  ${by}`);
