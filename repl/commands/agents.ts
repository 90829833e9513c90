import {
  type AgentInfo,
  forgetAgent,
  agents as knownAgents,
  removeAgent,
  stopAgent,
} from "../../lib/controller/agents";
import { beside } from "../_layout";
import { duration } from "../views/_units";
import { allHostNames, resolveHost } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

export const agents: Command = {
  name: "agents",
  parameters: "[stop|remove|forget HOST]",
  summary: "list agents; stop one; remove it from its host; forget a host that is gone",
  completions: (context) =>
    allHostNames(context).flatMap((name) => [`stop ${name}`, `remove ${name}`, `forget ${name}`]),
  async run(argument, { shell }) {
    const [verb, name, ...more] = argument.split(/\s+/).filter(Boolean);
    if (verb === undefined) return shell.print(table(await knownAgents()));
    const act = { stop: stopAgent, remove: removeAgent, forget: forgetAgent }[verb];
    if (!act || name === undefined || more.length > 0) {
      throw new CommandError("usage: .agents [stop|remove|forget HOST]");
    }
    const host = resolveHost(name, { shell }) ?? name;
    await act(host);
    shell.print(DONE[verb]?.(host) ?? "");
  },
};

const DONE: Record<string, (host: string) => string> = {
  stop: (host) => `stopped the agent on ${host}`,
  remove: (host) => `removed the agent from ${host}`,
  forget: (host) => `removed ${host} from the list of agents`,
};

function table(all: readonly AgentInfo[]): string {
  if (all.length === 0) return "no agents yet: the first deployment through via.agent() starts one";
  const rows = all.map(({ host, hops, status }) =>
    status
      ? [
          host,
          `node ${status.node}`,
          `pid ${status.pid}`,
          `${Math.round(status.memory / 1e6)} MB`,
          `up ${duration(Date.now() - status.startedAt)}`,
          status.running.length > 0
            ? `running ${status.running.map(({ by }) => `a deployment by ${by}`).join(", ")}`
            : "idle",
        ]
      : [host, `not connected; last reached over ${hops.join(", ")}`],
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
