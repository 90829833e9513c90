/** Encrypted devices that are opened at boot, in /etc/crypttab. */
import { defprop, schema } from "consfigurator";
import { PLACEHOLDER } from "./_table";
import { entriesIn } from "./_tableFile";

const { list, object, string } = schema;

/** An entry of /etc/crypttab. */
export interface CrypttabEntry {
  /** The name of the opened device, in /dev/mapper. */
  readonly name: string;
  /** The encrypted device, such as "UUID=…". Default: that of the present entry with this name. */
  readonly source?: string;
  /** A file with the key. Default: a passphrase is asked for. */
  readonly keyFile?: string;
  /** Such as "luks" and "discard". Default: "luks". */
  readonly options?: readonly string[];
}

const entry = () =>
  string({
    pattern: "^[^\\s#/]+[ \\t]+\\S+([ \\t]+\\S+){0,2}[ \\t]*$",
    description:
      'an entry of crypttab(5): name, device, key file and options, such as "home_crypt UUID=1c2d-3e4f none luks"',
  });

const lineOf = ({
  name,
  source = PLACEHOLDER,
  keyFile = "none",
  options = ["luks"],
}: CrypttabEntry): string => `${name} ${source} ${keyFile} ${options.join(",") || "none"}`;

const crypttab = { path: "/etc/crypttab", columns: { source: 1, target: 0 } };

/**
 * /etc/crypttab has each of `entries`: lines as in crypttab(5), or objects with `name`, `source`, `keyFile` and `options`. An
 * entry replaces the one with its name. With the source "PLACEHOLDER" or "none", or without one, it keeps that of the entry
 * that it replaces. Nothing is opened, and an initramfs that opens the device must be made anew. Unapplying it removes the
 * entries, but not those whose source was kept.
 *
 * @example onChange(crypttab.hasEntries("home_crypt UUID=2b0a5a3c-6a5e-4c0d-9d3e-0f7a1c7b9a51 none luks,discard"), cmd.single("update-initramfs", "-u"))
 * @example crypttab.hasEntries({ name: "swap_crypt", source: "/dev/disk/by-partlabel/swap", keyFile: "/dev/urandom", options: ["swap"] })
 */
export const hasEntries = defprop({
  name: "crypttab.hasEntries",
  kind: "posix",
  args: object({ entries: list(entry(), { minItems: 1 }) }),
  call: (...entries: (string | CrypttabEntry)[]) => ({
    entries: entries.map((each) => (typeof each === "object" && each !== null ? lineOf(each) : each)),
  }),
  desc: ({ entries }) => `/etc/crypttab has ${entries.join(", ")}`,
  ...entriesIn(crypttab, "crypttab.hasEntries"),
});
