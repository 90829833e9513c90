import { object } from "../model/schema";
import { deftable } from "../model/table";

/** How names are looked up, as /etc/resolv.conf says. `kind`: "nameserver", "search" or "options". */
export const dns = deftable({
  name: "tables.dns",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await target.readLines("/etc/resolv.conf")).flatMap((line) => {
      const [, kind = "", values = ""] =
        /^\s*(nameserver|search|domain|options)\s+(.*?)\s*$/.exec(line) ?? [];
      if (kind === "") return [];
      return values.split(/\s+/).map((value) => ({ kind: kind === "domain" ? "search" : kind, value }));
    }),
});
