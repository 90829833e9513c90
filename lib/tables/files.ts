import { list, object, optional, path, string } from "../model/schema";
import { deftable } from "../model/table";
import { pathsMatching } from "./_glob";

/**
 * The files whose paths match a pattern of the shell, such as "/etc/nginx/*.conf", by path; links are not followed. `mode` is
 * octal, as ls and chmod have it.
 */
export const files = deftable({
  name: "tables.files",
  args: object({ pattern: string() }),
  call: (pattern: string) => ({ pattern }),
  rows: async ({ pattern }, target) => {
    const paths = await pathsMatching(target, [pattern]);
    const stats = await Promise.all(paths.map((path) => target.lstat(path)));
    return paths.flatMap((path, index) => {
      const stat = stats[index];
      if (!stat) return [];
      const { type, mode, uid, gid, size, mtime } = stat;
      return [
        {
          path,
          type,
          mode: mode.toString(8).padStart(4, "0"),
          uid,
          gid,
          sizeBytes: size,
          changed: new Date(mtime * 1000).toISOString(),
        },
      ];
    });
  },
});

/** The lines of the file at `path`, numbered. Of a file that does not exist: an error. */
export const read = deftable({
  name: "tables.read",
  args: object({ path: path() }),
  call: (file: string) => ({ path: file }),
  rows: async ({ path: file }, target) => {
    const lines = (await target.readFile(file)).split("\n");
    if (lines.at(-1) === "") lines.pop();
    return lines.map((text, index) => ({ line: index + 1, text }));
  },
});

/** The disk space below each of the directories at `paths`, as du(1) counts it, without other file systems. */
export const usage = deftable({
  name: "tables.usage",
  args: object({ paths: list(string()) }),
  call: (...paths: string[]) => ({ paths }),
  rows: async ({ paths }, target) => {
    const { stdout } = await target.query(["du", "-xsk", "--", ...paths], { mayFail: true });
    return stdout.split("\n").flatMap((line) => {
      const [, blocks, path = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
      return blocks === undefined ? [] : [{ path, usedBytes: Number(blocks) * 1024 }];
    });
  },
});

/** The settings of the kernel whose names begin with `prefix`, such as "net.ipv4"; by name. */
export const sysctl = deftable({
  name: "tables.sysctl",
  args: object({ prefix: optional(string()) }),
  call: (prefix?: string) => ({ ...(prefix !== undefined && { prefix }) }),
  rows: async ({ prefix }, target) => {
    // Some can only be written, or are read by root alone.
    const { stdout } = await target.query(prefix === undefined ? "sysctl -a" : ["sysctl", prefix], {
      mayFail: true,
    });
    return stdout.split("\n").flatMap((line) => {
      const [, name, value = ""] = /^(\S+)\s*[=:]\s*(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [{ name, value }];
    });
  },
});
