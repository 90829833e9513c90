import { journals } from "../../lib/controller/journals";
import { colour } from "../_colour";
import { interruptible } from "../evaluate";
import { finalText } from "../views/_text";
import { treeOf } from "../views/_tree";
import { outcome } from "../views/_words";
import { hostCalled, hostWords } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

/** How many deployments are listed. */
const LISTED = 10;

export const log: Command = {
  name: "log",
  takes: "HOST [N]",
  does: "the last deployments on a host, by whomever, as its agent remembers them; N: the N-th of them in full",
  completions: hostWords,
  run: async (argument, { shell, signal }) => {
    const [name, nth, ...more] = argument.split(/\s+/).filter(Boolean);
    if (name === undefined || more.length > 0 || !/^([1-9]\d?)?$/.test(nth ?? ""))
      throw new CommandError(".log needs a host, and may have a number: .log web1, .log web1 1");
    const host = hostCalled(name, { shell }) ?? name;
    const all = await interruptible(journals(host, shell.hopsTo(host), nth ? Number(nth) : LISTED), signal);
    if (all.length === 0) return shell.say(`the agent on ${host} remembers no deployment`);
    const found = nth ? all[Number(nth) - 1] : undefined;
    if (found)
      return shell.say(`${head(found.at, found.by)}\n${finalText([treeOf(found.report)], { full: true })}`);
    if (nth) throw new CommandError(`the agent on ${host} remembers ${all.length} deployments`);
    const lines = all.map(({ at, by, over, report }, index) => {
      const came = over ? outcome(treeOf(report)) : "did not end, or runs still";
      return `${`${index + 1}`.padStart(2)}  ${head(at, by)}  ${came}`;
    });
    shell.say(lines.join("\n"));
  },
};

const head = (at: string, by: string): string =>
  colour.dim(`${at.slice(0, 19).replace("T", " ")} UTC  ${by}`);
