/**
 * The rooms of lib/ and who may import whom. test/lib/imports.test.ts holds the code to it; the table in
 * docs/architecture.md is made from it by `npm run docs`.
 */
export interface Room {
  /** A directory, or a file, from the root of the repository. */
  readonly path: string;
  readonly holds: string;
  /** The rooms that its files may import, besides its own. */
  readonly mayImport: readonly string[];
}

const below = ["lib/model", "lib/util"];

/** From the leaves up: a room imports only rooms above it in this list. */
export const rooms: readonly Room[] = [
  {
    path: "lib/util",
    holds: "leaf helpers: shell quoting, excerpts, attempts, the package's own paths, the compiler's process",
    mayImport: [],
  },
  {
    path: "lib/model",
    holds:
      "definitions and plain data, no I/O: hosts, properties, hops, schemas, errors, events, reports, jobs",
    mayImport: ["lib/util"],
  },
  {
    path: "lib/target",
    holds: "what a property acts on: over a shell, or in a process on the host",
    mayImport: below,
  },
  { path: "lib/connection", holds: "one hop a file; node-ssh in one file only", mayImport: below },
  {
    path: "lib/agent/shared",
    holds: "the protocol between controller, relay, supervisor and worker",
    mayImport: below,
  },
  {
    path: "lib/agent/host",
    holds: "what is bundled for the host: relay, supervisor, store, journal",
    mayImport: ["lib/agent/shared", ...below],
  },
  {
    path: "lib/agent/client",
    holds: "the end of a link that asks: the controller's, or a worker's",
    mayImport: ["lib/agent/shared", ...below],
  },
  {
    path: "lib/engine",
    holds: "prepare and apply, the same code on the controller and on the host",
    mayImport: ["lib/target", "lib/agent/shared", "lib/agent/client", "lib/connection", ...below],
  },
  {
    path: "lib/combinators",
    holds: "properties made of properties, one family a file",
    mayImport: ["lib/engine", ...below],
  },
  {
    path: "lib/nested",
    holds: "hosts that read or deploy other hosts",
    mayImport: ["lib/combinators", "lib/engine", "lib/connection", ...below],
  },
  {
    path: "lib/worker",
    holds: "the process that applies a deployment",
    mayImport: [
      "lib/engine",
      "lib/agent/shared",
      "lib/agent/host",
      "lib/agent/client",
      "lib/connection",
      ...below,
    ],
  },
  {
    path: "lib/executable",
    holds: "programs built on a host from source",
    mayImport: [
      "lib/worker",
      "lib/engine",
      "lib/agent/shared",
      "lib/agent/client",
      "lib/connection",
      "lib/target",
      ...below,
    ],
  },
  {
    path: "lib/source",
    holds: "loading the consfig, hot reload, what is sent to hosts",
    mayImport: ["lib/agent/shared", ...below],
  },
  {
    path: "lib/data",
    holds: "prerequisite data: what hosts need and the consfig does not contain, one source a file",
    mayImport: below,
  },
  {
    path: "lib/via.ts",
    holds: "a list: every hop",
    mayImport: ["lib/agent/client", "lib/connection"],
  },
  {
    path: "lib/controller",
    holds: "the user's machine only: deploy, sessions, agents, journals",
    mayImport: [
      "lib/nested",
      "lib/combinators",
      "lib/data",
      "lib/engine",
      "lib/source",
      "lib/agent/shared",
      "lib/agent/client",
      "lib/connection",
      "lib/target",
      ...below,
    ],
  },
  {
    path: "lib/tables",
    holds: "what a host can be asked, one noun a file",
    mayImport: ["lib/target", ...below],
  },
  {
    path: "lib/explore",
    holds: "the live state of hosts: who is asked, and how the rows are shown",
    mayImport: ["lib/executable", "lib/controller", "lib/combinators", "lib/tables", "lib/target", ...below],
  },
  {
    path: "lib/index.ts",
    holds: 'a list: what a consfig may import, as `"consfigurator"`',
    mayImport: [
      "lib/via.ts",
      "lib/data",
      "lib/explore",
      "lib/tables",
      "lib/controller",
      "lib/source",
      "lib/executable",
      "lib/nested",
      "lib/combinators",
      "lib/engine",
      "lib/connection",
      "lib/target",
      ...below,
    ],
  },
  { path: "properties", holds: "one noun a file", mayImport: ["lib/index.ts"] },
  {
    path: "lib/test-harness",
    holds: "a property applied to a scratch directory, by both targets",
    mayImport: ["lib/combinators", "lib/engine", "lib/target", "lib/connection", ...below],
  },
  {
    path: "lib/service.ts",
    holds:
      'what a service of your own may import, as `"consfigurator/service"`: the end that loses no request',
    mayImport: [],
  },
  {
    path: "lib/testing.ts",
    holds: 'a list: what the tests of a property may import, as `"consfigurator/testing"`',
    mayImport: ["lib/test-harness"],
  },
  {
    path: "repl",
    holds: "the face: command line, prompt, playbooks, views",
    mayImport: [
      "lib/index.ts",
      "lib/explore",
      "lib/controller",
      "lib/source",
      "lib/nested",
      "lib/combinators",
      "lib/connection",
      "properties",
      ...below,
    ],
  },
  { path: "hosts", holds: "example consfigs", mayImport: ["lib/index.ts", "properties"] },
];

/** The room of `file`, a path from the root of the repository; undefined when it is in none. */
export const roomOf = (file: string): Room | undefined =>
  rooms
    .filter(({ path }) => file === path || file.startsWith(`${path}/`))
    .sort((one, other) => other.path.length - one.path.length)[0];

/** `page`, docs/architecture.md, with the present table between its markers. */
export const withRoomsTable = (page: string): string =>
  page.replace(
    /(<!-- rooms -->\n)[\s\S]*?(<!-- \/rooms -->)/,
    (_, before: string, after: string) => `${before}\n${roomsTable()}\n\n${after}`,
  );

function roomsTable(): string {
  const code = (path: string) => `\`${path}${path.endsWith(".ts") ? "" : "/"}\``;
  const rows = rooms.map(({ path, holds, mayImport }) => [
    code(path),
    holds,
    mayImport.length === 0 ? "nothing" : mayImport.map((each) => code(each.replace(/^lib\//, ""))).join(" "),
  ]);
  const all = [["room", "what it holds", "may import (below `lib/`)"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = all;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
