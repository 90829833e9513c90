import { hopAsCode } from "../../lib/model/hop";
import { hosts as defined, type Host, type HostFacts } from "../../lib/model/host";
import { childrenOf } from "../../lib/nested/facts";
import { tryOrUndefined } from "../../lib/util/attempt";
import { colour } from "../_colour";
import { beside } from "../_layout";
import type { Command } from "./command";

export const hosts: Command = {
  name: "hosts",
  does: "every host, by which name it goes here, how it is reached, and which ones it deploys",
  run: (_, { shell }) => {
    const all = defined.values();
    if (all.length === 0) return shell.say("no host is defined yet: hosts/*.ts of the consfig export them");
    const names = namesOf(shell.workspace.names());
    const rows = all.flatMap((host): Row[] => {
      const { length } = host.applications;
      const row: Row = {
        name: names.get(host) ?? "",
        hops: host.deploy?.map(hopAsCode).join(", ") ?? "no hops: give them to deploy",
        others: [host.name, `${length} ${length === 1 ? "property" : "properties"}`, host.site],
      };
      return [row, ...below(host)];
    });
    shell.say(table(rows));
  },
};

interface Row {
  readonly name: string;
  readonly hops: string;
  readonly others: readonly [host: string, properties: string, site: string];
}

/** The hosts that `host` deploys, and those that they do. Of one that cannot be prepared they are not known. */
function below(host: Host | HostFacts, indent = ""): Row[] {
  const children = tryOrUndefined(() => childrenOf(host)) ?? [];
  return children.flatMap((child) => [
    {
      name: "",
      hops: child.parent ? "inside of it" : "deployed from there",
      others: [`${indent}└ ${child.name}`, "", ""],
    },
    ...below(child, `${indent}  `),
  ]);
}

/** One line for each; in a terminal that is too narrow for that, the hops of each below it. */
function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const inColumns = (all: readonly (readonly string[])[]) => {
    const widths = (all[0] ?? []).map((_, column) =>
      Math.max(...all.map((row) => (row[column] ?? "").length)),
    );
    return all.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
  };
  const wide = inColumns(rows.map(({ hops, others: [host, ...rest] }) => [host, hops, ...rest]));
  const isNarrow = wide.some(
    (line) => width + line.length >= (process.stdout.columns ?? Number.POSITIVE_INFINITY),
  );
  const narrow = inColumns(rows.map(({ others }) => others));
  return rows
    .map(({ name, hops }, index) => {
      const head = colour.cyan(name.padEnd(width));
      return isNarrow ? beside(head, width, `${narrow[index]}\n${hops}`) : `${head}${wide[index]}`;
    })
    .join("\n");
}

/** By which name of the scope each host goes, in a list of them by its place there. */
function namesOf(scope: Readonly<Record<string, unknown>>): Map<unknown, string> {
  const all = Object.entries(scope);
  const listed = all.flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((each: unknown, at): [unknown, string] => [each, `${name}[${at}]`]) : [],
  );
  return new Map([...listed, ...all.map(([name, value]): [unknown, string] => [value, name])]);
}
