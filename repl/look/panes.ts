import type { Row } from "../../lib/model/rows";

/** The panes, in the order of their tabs. */
export const PANES = [
  "hosts",
  "properties",
  "files",
  "services",
  "ports",
  "processes",
  "disks",
  "logs",
] as const;
export type PaneName = (typeof PANES)[number];

/** What a pane shows. */
interface Pane {
  /** The columns that are shown, in order, as many as fit; all are shown when a row is opened. */
  readonly columns: readonly string[];
  /** The columns that tell rows of one host apart. */
  readonly key: readonly string[];
  /** What is shown instead of rows, when there are none. */
  readonly empty: string;
  /** What a row is about. */
  title(row: Row): string;
}

export const panes: Readonly<Record<PaneName, Pane>> = {
  hosts: {
    columns: ["name", "state", "os", "availableBytes", "booted", "kernel", "processors", "memoryBytes"],
    key: [],
    empty: "no hosts",
    title: (row) => `${row["name"]}`,
  },
  properties: {
    columns: ["plan", "step", "place"],
    key: ["number"],
    empty: "the definition has no properties",
    title: (row) => `${row["step"]}`,
  },
  files: {
    columns: ["plan", "path", "step"],
    key: ["path", "number"],
    empty: "no property looks at a file",
    title: (row) => `${row["path"]}`,
  },
  services: {
    columns: ["name", "state", "detail", "enabled", "memoryBytes", "since", "description"],
    key: ["name"],
    empty: "systemd has loaded no service",
    title: (row) => `${row["name"]}`,
  },
  ports: {
    columns: ["port", "protocol", "address", "program", "pid"],
    key: ["protocol", "address", "port", "pid"],
    empty: "nothing listens",
    title: (row) => `port ${row["port"]}`,
  },
  processes: {
    columns: ["pid", "user", "cpu", "memoryBytes", "command"],
    key: ["pid"],
    empty: "no processes",
    title: (row) => `process ${row["pid"]}`,
  },
  disks: {
    columns: ["place", "type", "sizeBytes", "usedBytes", "freeBytes", "used", "device"],
    key: ["place"],
    empty: "no file system with a size is mounted",
    title: (row) => `${row["place"]}`,
  },
  logs: {
    columns: ["time", "program", "message"],
    key: ["number"],
    empty: "no entries",
    title: (row) => `entry of ${row["program"] ?? row["unit"] ?? "the journal"}`,
  },
};

/** A row of a pane. */
export interface Entry {
  /** Tells it from the others of the pane, and stays when it is asked for again. */
  readonly key: string;
  readonly host: string;
  readonly row: Row;
}

/** The rows of `host` in `pane`. Where two have the same key, the second is numbered. */
export function entriesOf(pane: PaneName, host: string, rows: readonly Row[]): Entry[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const key = JSON.stringify([host, ...panes[pane].key.map((column) => row[column] ?? null)]);
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return { key: count === 1 ? key : `${key} ${count}`, host, row };
  });
}

/** The unit that an entry is about. */
export const unitOf = (pane: PaneName, { row }: Entry): string | undefined =>
  pane === "services" && typeof row["name"] === "string" ? `${row["name"]}.service` : undefined;

/** How a row is painted: what has failed, and what is not as it should be. */
export function toneOf(pane: PaneName, row: Row): "bad" | "other" | undefined {
  if (pane === "hosts") return ["answers", "asking"].includes(String(row["state"])) ? undefined : "bad";
  if (pane === "services") return row["state"] === "failed" ? "bad" : undefined;
  if (pane === "logs") return Number(row["priority"] ?? 7) <= ERROR ? "bad" : undefined;
  if (pane !== "properties" && pane !== "files") return undefined;
  return row["plan"] === "would fail" ? "bad" : row["plan"] === "holds" ? undefined : "other";
}

/** The priority of errors in syslog; worse ones are lower. */
const ERROR = 3;
