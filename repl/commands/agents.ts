import { type AgentInfo, agents as knownAgents, removeAgent, stopAgent } from "../../lib/agents";
import { hosts } from "../../lib/host";
import { colour } from "../_colour";
import { duration } from "../views/_words";
import { hostCalled } from "./_host";
import { type Command, CommandError } from "./command";

export const agents: Command = {
  name: "agents",
  takes: "[stop|remove HOST]",
  does: "every agent known; stop ends one, remove leaves nothing of it on its host",
  completions: () => hosts.names().flatMap((name) => [`stop ${name}`, `remove ${name}`]),
  async run(argument, { shell }) {
    const [verb, name, ...more] = argument.split(/\s+/).filter(Boolean);
    if (verb === undefined) return shell.say(table(await knownAgents()));
    const act = { stop: stopAgent, remove: removeAgent }[verb];
    if (!act || name === undefined || more.length > 0) {
      throw new CommandError(".agents takes nothing, stop HOST or remove HOST");
    }
    const host = hostCalled(name, { shell }) ?? name;
    await act(host);
    shell.say(verb === "stop" ? `the agent on ${host} has ended` : `nothing of the agent is left on ${host}`);
  },
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
      : [host, colour.dim(`not connected; was reached by ${hops.join(", ")}`)],
  );
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...rows.map((row) => (row.length > 2 || column === 0 ? (row[column] ?? "").length : 0))),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
