import { allHosts, hosts } from "../../lib/model/host";
import { allHostNames, requireHost } from "./_host";
import type { Command } from "./command";
import { CommandError } from "./error";

export const look: Command = {
  name: "look",
  parameters: "[HOST…]",
  summary: "watch hosts, or all of them, on the whole screen: properties, services, logs; ? lists the keys",
  completions: allHostNames,
  run: async (argument, { shell, signal }) => {
    const { terminal } = shell;
    if (!terminal) throw new CommandError(".look needs a terminal; it does not work in a playbook");
    const given = argument.split(/[\s,]+/).filter(Boolean);
    const names = [...new Set(given.map((name) => requireHost(name, { shell })))];
    const unreachable = names.find((name) => !hosts.get(name)?.deploy);
    if (unreachable !== undefined)
      throw new CommandError(`no hops are known for ${unreachable}; add { deploy: […] } to its defhost()`);
    const all = names.length > 0 ? names : allHosts().map(({ name }) => name);
    if (all.length === 0) throw new CommandError("no host has hops; add { deploy: […] } to its defhost()");
    const { look: lookAt } = require("../look/look") as typeof import("../look/look");
    await lookAt(all, shell, terminal, signal ?? new AbortController().signal);
  },
};
