import { list, object, path } from "../model/schema";
import { deftable } from "../model/table";
import type { PosixTarget } from "../model/target";

/**
 * When the files at `paths` were last touched in any way: content, mode, owner or name. One row for each that is there. `type`:
 * "file", "directory", "symlink" or "other".
 */
export const touched = deftable({
  name: "tables.touched",
  args: object({ paths: list(path()) }),
  call: (...paths: string[]) => ({ paths }),
  rows: async ({ paths }, target) => {
    if (paths.length === 0) return [];
    // GNU and busybox, then BSD. It fails when one of them is missing, and prints the others.
    const script =
      'if stat -c %Z / >/dev/null 2>&1; then stat -c "%Z %F/%n" -- "$@"; else stat -f "%c %HT/%N" -- "$@"; fi';
    const { stdout } = await target.query(["sh", "-c", script, "sh", ...paths], { mayFail: true });
    return stdout.split("\n").flatMap((line) => {
      const [, seconds, kind = "", file = ""] = /^(\d+) ([\w ]+)\/(\/.*)$/.exec(line) ?? [];
      if (seconds === undefined) return [];
      return [{ path: file, type: typeOf(kind), touched: new Date(Number(seconds) * 1000).toISOString() }];
    });
  },
});

/** stat(1) calls it "regular empty file" or "Regular File". */
const typeOf = (kind: string): string =>
  ({ regular: "file", directory: "directory", symbolic: "symlink" })[
    kind.split(" ")[0]?.toLowerCase() ?? ""
  ] ?? "other";

/**
 * What was done with packages, as dpkg and apt have logged it in this month and the one before, oldest first. `command` and
 * `by`: what was asked of apt, and by whom, where that is in its log. No rows where there is no dpkg.
 */
export const packageHistory = deftable({
  name: "tables.packageHistory",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const [{ stdout }, older, newer] = await Promise.all([
      // Times are local, as the host knows them.
      target.query(
        `lines=$(cat /var/log/dpkg.log.1 /var/log/dpkg.log 2>/dev/null | grep -E '^[0-9-]+ [0-9:]+ (install|upgrade|remove|purge) ')
[ -n "$lines" ] || exit 0
printf '%s\\n\\n' "$lines"
printf '%s\\n' "$lines" | cut -c1-19 | date -f - +%s`,
      ),
      requests("/var/log/apt/history.log.1", target),
      requests("/var/log/apt/history.log", target),
    ]);
    const [lines = "", times = ""] = stdout.split("\n\n");
    const seconds = times.split("\n").map(Number);
    const asked = [...older, ...newer];
    return lines.split("\n").flatMap((line, index) => {
      const [, local = "", action = "", name = "", from = "", to = ""] =
        /^(\S+ \S+) (install|upgrade|remove|purge) ([^\s:]+)\S* (\S+) (\S+)/.exec(line) ?? [];
      if (name === "") return [];
      const request = asked.find(({ start, end }) => start <= local && local <= end);
      return [
        {
          when: new Date((seconds[index] ?? 0) * 1000).toISOString(),
          name,
          action,
          from: from === "<none>" ? null : from,
          to: to === "<none>" ? null : to,
          command: request?.command ?? null,
          by: request?.by ?? null,
        },
      ];
    });
  },
});

interface AptRequest {
  readonly start: string;
  readonly end: string;
  readonly command: string;
  readonly by: string | null;
}

/** What apt was asked for, from its log: paragraphs of `Name: value`. */
async function requests(log: string, target: PosixTarget): Promise<AptRequest[]> {
  const text = (await target.readLines(log).catch(() => [])).join("\n");
  return text.split("\n\n").flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1];
    const start = field("Start-Date")?.replaceAll(/\s+/g, " ");
    if (start === undefined) return [];
    const end = field("End-Date")?.replaceAll(/\s+/g, " ") ?? "9999";
    return [{ start, end, command: field("Commandline") ?? "", by: field("Requested-By") ?? null }];
  });
}

/** Who was logged in at a terminal, newest first, as last(1) knows it. `until` is null for those who still are. */
export const sessions = deftable({
  name: "tables.sessions",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    // There is none in the newest systems, and none without its log.
    const { stdout } = await target.query("last --time-format iso -w", { mayFail: true });
    return stdout.split("\n").flatMap((line) => {
      const [, user, terminal = "", from, since = "", until] =
        /^(\S+)\s+(\S+)\s+(?:(\S+)\s+)?(\d{4}-\S+T\S+)(?: - (\d{4}-\S+T\S+))?/.exec(line) ?? [];
      if (user === undefined || user === "reboot" || terminal === "begins") return [];
      const at = (time: string) => new Date(time).toISOString();
      return [{ user, terminal, from: from ?? null, since: at(since), until: until ? at(until) : null }];
    });
  },
});
