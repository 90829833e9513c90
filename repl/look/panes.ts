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
  /** The columns that are shown, in order; the others are shown when a row is opened. */
  readonly columns: readonly string[];
  /** The columns that tell rows of one host apart. */
  readonly key: readonly string[];
  /** What is shown instead of rows, when there are none. */
  readonly empty: string;
}

export const panes: Readonly<Record<PaneName, Pane>> = {
  hosts: {
    columns: ["name", "state", "os", "kernel", "processors", "memoryBytes", "availableBytes", "booted"],
    key: [],
    empty: "no hosts",
  },
  properties: {
    columns: ["plan", "step", "place"],
    key: ["number"],
    empty: "the definition has no properties",
  },
  files: {
    columns: ["plan", "path", "step"],
    key: ["path", "number"],
    empty: "no property looks at a file",
  },
  services: {
    columns: ["name", "state", "detail", "enabled", "memoryBytes", "since", "description"],
    key: ["name"],
    empty: "systemd has loaded no service",
  },
  ports: {
    columns: ["port", "protocol", "address", "program", "pid"],
    key: ["protocol", "address", "port", "pid"],
    empty: "nothing listens",
  },
  processes: {
    columns: ["pid", "user", "cpu", "memoryBytes", "command"],
    key: ["pid"],
    empty: "no processes",
  },
  disks: {
    columns: ["place", "type", "sizeBytes", "usedBytes", "freeBytes", "used", "device"],
    key: ["place"],
    empty: "no file system with a size is mounted",
  },
  logs: {
    columns: ["time", "program", "message"],
    key: ["number"],
    empty: "no entries",
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
