import {
  type AgentInfo,
  forgetAgent,
  agents as knownAgents,
  removeAgent,
  stopAgent,
} from "../../lib/controller/agents";
import { beside } from "../_layout";
import { duration } from "../views/_units";
import { hostCalled, hostWords } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

export const agents: Command = {
  name: "agents",
  takes: "[stop|remove|forget HOST]",
  does: "every agent known; stop ends one, remove leaves nothing of it on its host, forget is for a host that is gone",
  completions: (context) =>
    hostWords(context).flatMap((name) => [`stop ${name}`, `remove ${name}`, `forget ${name}`]),
  async run(argument, { shell }) {
    const [verb, name, ...more] = argument.split(/\s+/).filter(Boolean);
    if (verb === undefined) return shell.say(table(await knownAgents()));
    const act = { stop: stopAgent, remove: removeAgent, forget: forgetAgent }[verb];
    if (!act || name === undefined || more.length > 0) {
      throw new CommandError(".agents takes nothing, stop HOST, remove HOST or forget HOST");
    }
    const host = hostCalled(name, { shell }) ?? name;
    await act(host);
    shell.say(DONE[verb]?.(host) ?? "");
  },
};

const DONE: Record<string, (host: string) => string> = {
  stop: (host) => `the agent on ${host} has ended`,
  remove: (host) => `nothing of the agent is left on ${host}`,
  forget: (host) => `the agent on ${host} is not listed any more`,
};

function table(all: readonly AgentInfo[]): string {
  if (all.length === 0) return "no agent is known: the first deployment through via.agent() starts one";
  const rows = all.map(({ host, hops, status }) =>
    status
      ? [
          host,
          `node ${status.node}`,
          `pid ${status.pid}`,
          `${Math.round(status.memory / 1e6)} MB`,
          `for ${duration(Date.now() - status.startedAt)}`,
          status.running.length > 0
            ? `runs ${status.running.map(({ by }) => `a deployment of ${by}`).join(", ")}`
            : "idle",
        ]
      : [host, `not connected; was reached by ${hops.join(", ")}`],
  );
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...rows.map((row) => (row.length > 2 || column === 0 ? (row[column] ?? "").length : 0))),
  );
  const width = (widths[0] ?? 0) + 2;
  return rows
    .map(([host = "", ...cells]) => {
      const text = cells.map((cell, column) => cell.padEnd(widths[column + 1] ?? 0)).join("  ");
      return beside(host.padEnd(width), width, text.trimEnd());
    })
    .join("\n");
}
