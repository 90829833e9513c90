import { object } from "../model/schema";
import { deftable } from "../model/table";
import { parsePasswd } from "../target/accounts";

/** The keys that may log in over ssh, by account; those of files that cannot be read without root are left out. */
export const authorizedKeys = deftable({
  name: "tables.authorizedKeys",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const accounts = parsePasswd(await target.readFile("/etc/passwd"));
    const found = await Promise.all(
      accounts.map(async ({ name, home }) => {
        const path = `${home.replace(/\/+$/, "")}/.ssh/authorized_keys`;
        const lines = await target.readLines(path).catch(() => []);
        return lines.flatMap((line) => {
          const [, options = "", type, key = "", comment = ""] =
            /^(.*?)\s*\b((?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)\s+([A-Za-z0-9+/=]+)\s*(.*)$/.exec(line) ?? [];
          if (type === undefined || line.startsWith("#")) return [];
          return [
            {
              user: name,
              type,
              key: key.slice(-16),
              comment,
              options: options || null,
              line: line.trim(),
              file: path,
            },
          ];
        });
      }),
    );
    return found.flat();
  },
});

/** Who is logged in now, as who(1) knows it. */
export const logins = deftable({
  name: "tables.logins",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const { stdout } = await target.query("who");
    return stdout.split("\n").flatMap((line) => {
      const [, user, terminal = "", since = "", from] =
        /^(\S+)\s+(\S+)\s+(\S+ +\S+(?: +\S+)??)(?:\s+\((.*)\))?$/.exec(line) ?? [];
      return user === undefined ? [] : [{ user, terminal, since, from: from ?? null }];
    });
  },
});

/** The jobs of cron: of /etc/crontab, of /etc/cron.d, and of the accounts. */
export const cron = deftable({
  name: "tables.cron",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const listed = async (directory: string) =>
      ((await target.list(directory).catch(() => undefined)) ?? []).map((name) => `${directory}/${name}`);
    const [shared, own] = await Promise.all([listed("/etc/cron.d"), listed("/var/spool/cron/crontabs")]);
    const all = await Promise.all(
      ["/etc/crontab", ...shared, ...own].map(async (file) => {
        const user = own.includes(file) ? file.slice(file.lastIndexOf("/") + 1) : undefined;
        return (await target.readLines(file).catch(() => [])).flatMap((line) => jobOf(line, file, user));
      }),
    );
    return all.flat();
  },
});

function jobOf(line: string, file: string, owner: string | undefined) {
  const [, when, rest = ""] =
    /^\s*(@\S+|(?:[\d*,/A-Za-z-]+\s+){4}[\d*,/A-Za-z-]+)\s+(\S.*)$/.exec(line) ?? [];
  if (when === undefined) return [];
  const [, user = "", command = ""] = /^(\S+)\s+(.*)$/.exec(rest) ?? [];
  const job = owner === undefined ? { user, command } : { user: owner, command: rest };
  return [{ when: when.replaceAll(/\s+/g, " "), ...job, file }];
}
