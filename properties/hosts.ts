/** Names of hosts in /etc/hosts. */
import { defprop, schema, withCreatedNoted, withCreatedRemoved } from "consfigurator";
import { withEntry, withoutEntry } from "./_hosts";

const { hostname, list, object, string } = schema;

const file = "/etc/hosts";

const address = () =>
  string({
    pattern: "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?)$",
    description: 'an IP address, such as "192.0.2.7"',
  });

/**
 * /etc/hosts has `address` with each of `names`, the first of which is the canonical one. Other names of the address stay, behind
 * them, and so does everything else. Unapplying it removes these names of the address, and its line when no other name is left.
 *
 * @example hosts.has("192.0.2.7", "db.example.org", "db")
 */
export const has = defprop({
  name: "hosts.has",
  kind: "posix",
  args: object({ address: address(), names: list(hostname(), { minItems: 1 }) }),
  call: (address: string, ...names: string[]) => ({ address, names }),
  desc: ({ address, names }) => `${file} has ${address} ${names.join(" ")}`,
  apply: (entry, target) =>
    withCreatedNoted(target, file, () => target.editLines(file, (lines) => withEntry(lines, entry))),
  unapply: (entry, target) =>
    withCreatedRemoved(target, file, () => target.editLines(file, (lines) => withoutEntry(lines, entry))),
});
