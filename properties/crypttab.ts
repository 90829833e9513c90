/** Encrypted devices that are opened at boot, in /etc/crypttab. */
import { defprop, schema } from "consfigurator";
import { crypttabEntries, openedFor } from "./_openedVolumes";
import * as os from "./_os";
import { PLACEHOLDER } from "./_table";
import { CRYPTTAB, entriesIn } from "./_tableFile";

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
  ...entriesIn(CRYPTTAB, "crypttab.hasEntries"),
});

const inTableOpened = entriesIn(CRYPTTAB, "crypttab.hasEntriesForOpenedVolumes");

/**
 * /etc/crypttab has an entry for each encrypted volume that `disk.withOpenedVolumes` around this property has opened, named by the UUID
 * of the encrypted device, with its `crypttabKeyfile` and `crypttabOptions` ("luks,discard,initramfs" unless given).
 *
 * @example disk.withOpenedVolumes(disk.volumes(disk.physicalDisk({ deviceFile: "/dev/sdb" }, disk.luksContainer({ volumeLabel: "home_crypt" }, disk.ext4Filesystem({ mountPoint: "/home" })))), {}, crypttab.hasEntriesForOpenedVolumes())
 */
export const hasEntriesForOpenedVolumes = defprop({
  name: "crypttab.hasEntriesForOpenedVolumes",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "/etc/crypttab has the opened volumes",
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (_args, target) => {
    const entries = await crypttabEntries(target, openedFor(target));
    return entries.length === 0 ? "unchanged" : inTableOpened.apply({ entries }, target);
  },
});
