import { defprop, schema } from "consfigurator";
import { equals, type Pair, shell, space, tab, unspaced, withSettings } from "./_conf";
import { type Triple, withIniSettings } from "./_ini";
import { type Pairs, pairsOf, settingsArgs, tuple, value } from "./_pairs";
import { edited } from "./_validate";

const { list, nullable, object, path, string } = schema;

const call = (path: string, ...pairs: Pairs) => ({ path, pairs: pairsOf(pairs) });

const desc = ({ path, pairs }: { path: string; pairs: readonly Pair[] }) =>
  `${path} sets ${pairs.map(([key, value]) => `${key}=${value}`).join(", ")}`;

/**
 * `path` sets each key to its value, in lines `key value`. The first line of a key becomes the active one, even if it
 * was commented out with `#`; later ones are commented out. New keys are appended. Other lines are left alone.
 *
 * @example file.containsConfSpace("/etc/ssh/sshd_config", "PermitRootLogin", "no", "X11Forwarding", "no")
 */
export const containsConfSpace = defprop({
  name: "file.containsConfSpace",
  kind: "posix",
  args: settingsArgs(space),
  call,
  desc,
  apply: ({ path, pairs }, target) => edited(target, path, (old) => withSettings(old, space, pairs)),
});

/**
 * Like `file.containsConfSpace`, with a tab between key and value.
 *
 * @example file.containsConfTab("/etc/login.defs", { UMASK: "027" })
 */
export const containsConfTab = defprop({
  name: "file.containsConfTab",
  kind: "posix",
  args: settingsArgs(tab),
  call,
  desc,
  apply: ({ path, pairs }, target) => edited(target, path, (old) => withSettings(old, tab, pairs)),
});

/**
 * Like `file.containsConfSpace`, in lines `key = value`.
 *
 * @example file.containsConfEquals("/etc/sysctl.d/90-local.conf", "net.ipv4.ip_forward", "1")
 */
export const containsConfEquals = defprop({
  name: "file.containsConfEquals",
  kind: "posix",
  args: settingsArgs(equals),
  call,
  desc,
  apply: ({ path, pairs }, target) => edited(target, path, (old) => withSettings(old, equals, pairs)),
});

/**
 * Like `file.containsConfSpace`, in lines `key=value` without spaces.
 *
 * @example file.containsConfUnspaced("/etc/systemd/journald.conf.d/size.conf", "SystemMaxUse", "1G")
 */
export const containsConfUnspaced = defprop({
  name: "file.containsConfUnspaced",
  kind: "posix",
  args: settingsArgs(unspaced),
  call,
  desc,
  apply: ({ path, pairs }, target) => edited(target, path, (old) => withSettings(old, unspaced, pairs)),
});

/**
 * Like `file.containsConfSpace`, in lines `key=value` for a shell to read: values are quoted where needed.
 *
 * @example file.containsConfShell("/etc/default/grub", "GRUB_CMDLINE_LINUX", "console=ttyS0 quiet")
 */
export const containsConfShell = defprop({
  name: "file.containsConfShell",
  kind: "posix",
  args: settingsArgs(shell),
  call,
  desc,
  apply: ({ path, pairs }, target) => edited(target, path, (old) => withSettings(old, shell, pairs)),
});

const iniKey = () =>
  string({
    pattern: "^[^\\s=#;\\[]([^=\\n\\r]*[^\\s=])?$",
    description: "a key without =, not starting with #, ; or [",
  });
const section = () => string({ pattern: "^[^\\n\\r]+$", description: "the name of a section" });

/**
 * `path` sets each key of each section to its value, in lines `key=value`; the section is null for settings before the
 * first section header. The first line of a key in its section becomes the active one, even if it was commented out;
 * later ones are commented out. A new key goes after the last setting of its section, a new section to the end.
 *
 * @example file.containsIniSettings("/etc/systemd/journald.conf", ["Journal", "SystemMaxUse", "1G"])
 */
export const containsIniSettings = defprop({
  name: "file.containsIniSettings",
  kind: "posix",
  args: object({
    path: path(),
    settings: list(tuple<Triple>(nullable(section()), iniKey(), value()), { minItems: 1 }),
  }),
  call: (path: string, ...settings: Triple[]) => ({ path, settings }),
  desc: ({ path, settings }) =>
    `${path} sets ${settings.map(([section, key, value]) => `${section === null ? "" : `[${section}] `}${key}=${value}`).join(", ")}`,
  apply: ({ path, settings }, target) => edited(target, path, (old) => withIniSettings(old, settings)),
});
