import { hopAsCode } from "../../lib/connection/hop";
import { hosts as defined, type Host } from "../../lib/host";
import { colour } from "../_colour";
import type { Command } from "./command";

export const hosts: Command = {
  name: "hosts",
  does: "every host, by which name it goes here, and how it is reached",
  run: (_, { shell }) => {
    const all = defined.values();
    if (all.length === 0) return shell.say("no host is defined yet: hosts/*.ts of the consfig export them");
    const names = namesOf(shell.workspace.names());
    const rows = all.map((host): string[] => [
      names.get(host) ?? "",
      host.name,
      host.deploy?.map(hopAsCode).join(", ") ?? "no hops: give them to deploy",
      `${host.applications.length} ${host.applications.length === 1 ? "property" : "properties"}`,
      host.site,
    ]);
    const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
    const painted = rows.map(([name = "", ...rest]) =>
      [
        colour.cyan(name.padEnd(widths[0] ?? 0)),
        ...rest.map((cell, index) => cell.padEnd(widths[index + 1] ?? 0)),
      ].join("  "),
    );
    shell.say(painted.map((line) => line.trimEnd()).join("\n"));
  },
};

/** By which name of the scope each host goes. */
function namesOf(scope: Readonly<Record<string, unknown>>): Map<Host, string> {
  return new Map(Object.entries(scope).map(([name, value]) => [value as Host, name]));
}
