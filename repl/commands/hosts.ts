import { hopAsCode } from "../../lib/model/hop";
import { hosts as defined, type Host, type HostFacts } from "../../lib/model/host";
import { childrenOf } from "../../lib/nested/facts";
import { tryOrUndefined } from "../../lib/util/attempt";
import { colour } from "../_colour";
import { beside } from "../_layout";
import type { Command } from "./command";

export const hosts: Command = {
  name: "hosts",
  summary: "list hosts: name, connection, hosts it deploys",
  run: (_, { shell }) => {
    const all = defined.values();
    if (all.length === 0) return shell.print("no hosts yet: export one from a file in hosts/");
    const names = namesOf(shell.workspace.names());
    const rows = all.flatMap((host): Row[] => {
      const { length } = host.applications;
      const row: Row = {
        name: names.get(host) ?? "",
        hops: host.deploy?.map(hopAsCode).join(", ") ?? "no hops: pass them to deploy()",
        others: [host.name, `${length} ${length === 1 ? "property" : "properties"}`, host.site],
      };
      return [row, ...below(host)];
    });
    shell.print(table(rows));
  },
};

interface Row {
  readonly name: string;
  readonly hops: string;
  readonly others: readonly [host: string, properties: string, site: string];
}

/** The hosts that `host` deploys, and theirs in turn; none if `host` cannot be prepared. */
function below(host: Host | HostFacts, indent = ""): Row[] {
  const children = tryOrUndefined(() => childrenOf(host)) ?? [];
  return children.flatMap((child) => [
    {
      name: "",
      hops: child.parent ? "inside it" : "deployed from it",
      others: [`${indent}└ ${child.name}`, "", ""],
    },
    ...below(child, `${indent}  `),
  ]);
}

/** One line per host; in a narrow terminal its hops go on a second line. */
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

/** The name of each host in scope; in an array of hosts, with its index. */
function namesOf(scope: Readonly<Record<string, unknown>>): Map<unknown, string> {
  const all = Object.entries(scope);
  const listed = all.flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((each: unknown, index): [unknown, string] => [each, `${name}[${index}]`])
      : [],
  );
  return new Map([...listed, ...all.map(([name, value]): [unknown, string] => [value, name])]);
}
