import {
  type AgentInfo,
  forgetAgent,
  agents as knownAgents,
  removeAgent,
  type StoppedAgent,
  stopAgent,
} from "../../lib/controller/agents";
import { beside } from "../_layout";
import { duration } from "../views/_units";
import { allHostNames, resolveHost } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

export const agents: Command = {
  name: "agents",
  parameters: "[stop [--force]|remove|forget HOST]",
  summary:
    "list agents; stop one (--force: and what it is doing); remove it from its host; forget a host that is gone",
  completions: (context) =>
    allHostNames(context).flatMap((name) => [
      `stop ${name}`,
      `stop --force ${name}`,
      `remove ${name}`,
      `forget ${name}`,
    ]),
  async run(argument, { shell }) {
    const words = argument.split(/\s+/).filter(Boolean);
    const [verb, name, ...more] = words.filter((word) => word !== "--force");
    if (words.length === 0) return shell.print(table(await knownAgents()));
    const force = words.includes("--force");
    const act = acts[verb ?? ""];
    if (!act || name === undefined || more.length > 0 || (force && verb !== "stop")) {
      throw new CommandError("usage: .agents [stop [--force]|remove|forget HOST]");
    }
    shell.print(await act(resolveHost(name, { shell }) ?? name, force));
  },
};

/** Each returns what it has done, in words. */
const acts: Record<string, (host: string, force: boolean) => Promise<string>> = {
  stop: async (host, force) => inWords(host, await stopAgent(host, { force })),
  remove: async (host) => {
    await removeAgent(host);
    return `removed the agent from ${host}`;
  },
  forget: async (host) => {
    await forgetAgent(host);
    return `removed ${host} from the list of agents`;
  },
};

function inWords(host: string, { deployment, by, ended }: StoppedAgent): string {
  if (deployment === undefined) return `stopped the agent on ${host}`;
  return ended === undefined
    ? `the agent on ${host} stops when deployment ${deployment} by ${by} has finished; .agents stop --force ${host} ends that deployment now`
    : `stopped the agent on ${host} and ended deployment ${deployment} by ${by}: ${ended}`;
}

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
