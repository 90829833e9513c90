import { integer, object, optional, string } from "../model/schema";
import { deftable } from "../model/table";
import { askedOf } from "./_absent";
import { jsonOf } from "./_json";

/** Which entries of the journal are wanted. */
export interface LogOptions {
  /** Of this unit only, such as "nginx". */
  readonly unit?: string;
  /** From this moment on, as journalctl(1) takes it: "-1h", "today", "2026-01-31 12:00". */
  readonly since?: string;
  /** Those whose message matches this regular expression (PCRE). */
  readonly grep?: string;
  /** The newest so many. Default: 100. */
  readonly lines?: number;
}

/** The newest entries of the journal, oldest first. `priority` is that of syslog: 0 is an emergency, 3 an error, 6 usual. */
export const logs = deftable({
  name: "tables.logs",
  args: object({
    unit: optional(string()),
    since: optional(string()),
    grep: optional(string()),
    lines: integer({ minimum: 1 }),
  }),
  call: ({ lines = 100, ...more }: LogOptions = {}) => ({ lines, ...more }),
  rows: async ({ unit, since, grep, lines }, target) => {
    const { stdout } = await askedOf(
      target,
      [
        ...journalctl({
          lines,
          ...(unit !== undefined && { unit }),
          ...(since !== undefined && { since }),
          ...(grep !== undefined && { grep }),
        }),
        "--no-pager",
      ],
      'the host has no journalctl(1), so it has no journal; its logs are files, such as follow("/var/log/messages")',
      // It fails when no entry matches.
      { mayFail: grep !== undefined },
    );
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => entryOf(jsonOf(line, "journalctl") as Record<string, unknown>));
  },
});

/** The command that prints such entries, one a line, as JSON. */
export const journalctl = ({ unit, since, grep, lines }: LogOptions): string[] => [
  "journalctl",
  "--output=json",
  "--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER",
  ...(lines === undefined ? [] : [`--lines=${lines}`]),
  ...(unit === undefined ? [] : [`--unit=${unit}`]),
  ...(since === undefined ? [] : [`--since=${since}`]),
  ...(grep === undefined ? [] : [`--grep=${grep}`]),
];

/** An entry of the journal. */
export interface LogEntry {
  readonly [column: string]: string | number | null;
  readonly time: string;
  readonly priority: number | null;
  readonly unit: string | null;
  readonly program: string | null;
  readonly message: string;
}

/** The entry of a line that `journalctl` has printed. */
export function entryOf(entry: Readonly<Record<string, unknown>>): LogEntry {
  const { MESSAGE: message, PRIORITY: priority, _SYSTEMD_UNIT: unit, SYSLOG_IDENTIFIER: program } = entry;
  return {
    time: new Date(Number(entry["__REALTIME_TIMESTAMP"]) / 1000).toISOString(),
    priority: priority === undefined ? null : Number(priority),
    unit: textOf(unit),
    program: textOf(program),
    message: textOf(message) ?? "",
  };
}

/** What is no text in UTF-8 is printed as a list of bytes. */
function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? Buffer.from(value as number[]).toString("utf8") : null;
}
