/** The journal of systemd. */
import { defprop, defproplist, onChange, schema } from "consfigurator";
import * as os from "./_os";
import { ownFile } from "./_ownFile";
import { restarted } from "./service";

const { object, oneOf, optional, string } = schema;

const size = () =>
  string({ pattern: "^[0-9]+[KMGTPE]?$", description: 'a size as in journald.conf(5), such as "500M"' });
const span = () =>
  string({
    pattern: "^(0|[0-9]+ ?[a-z]*( [0-9]+ ?[a-z]+)*)$",
    description: 'a span of time as in systemd.time(7), such as "1month" or "30s"',
  });
const count = () => string({ pattern: "^[0-9]+$", description: 'a number, such as "1000"' });
const yesOrNo = () => oneOf("yes", "no");
const level = () => oneOf("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug");

const settings = {
  Storage: optional(oneOf("volatile", "persistent", "auto", "none")),
  Compress: optional(
    string({ pattern: "^(yes|no|[0-9]+[KMG]?)$", description: 'yes, no, or a size such as "1K"' }),
  ),
  Seal: optional(yesOrNo()),
  SplitMode: optional(oneOf("uid", "none")),
  SyncIntervalSec: optional(span()),
  RateLimitIntervalSec: optional(span()),
  RateLimitBurst: optional(count()),
  SystemMaxUse: optional(size()),
  SystemKeepFree: optional(size()),
  SystemMaxFileSize: optional(size()),
  SystemMaxFiles: optional(count()),
  RuntimeMaxUse: optional(size()),
  RuntimeKeepFree: optional(size()),
  RuntimeMaxFileSize: optional(size()),
  RuntimeMaxFiles: optional(count()),
  MaxRetentionSec: optional(span()),
  MaxFileSec: optional(span()),
  ForwardToSyslog: optional(yesOrNo()),
  ForwardToKMsg: optional(yesOrNo()),
  ForwardToConsole: optional(yesOrNo()),
  ForwardToWall: optional(yesOrNo()),
  TTYPath: optional(string({ pattern: "^/dev/[^\\s]+$", description: 'a terminal, such as "/dev/tty12"' })),
  MaxLevelStore: optional(level()),
  MaxLevelSyslog: optional(level()),
  MaxLevelKMsg: optional(level()),
  MaxLevelConsole: optional(level()),
  MaxLevelWall: optional(level()),
  LineMax: optional(size()),
  ReadKMsg: optional(yesOrNo()),
  Audit: optional(yesOrNo()),
};
const settingsArgs = object(settings);
type Settings = schema.Infer<typeof settingsArgs>;

/** What comes with the system is read in the order of the names of the files. */
const FILE = "/etc/systemd/journald.conf.d/90-consfigurator.conf";

const file = defprop({ name: "journald._settings", ...ownFile({}) });

/**
 * systemd-journald has exactly these `settings` of ours, as in journald.conf(5), in a file of its own in
 * /etc/systemd/journald.conf.d. It is restarted when they change; no message is lost. Names and values that it does not know
 * are refused before connecting. A host has one such property. Unapplying it removes the file.
 *
 * @example journald.configured({ Storage: "persistent", SystemMaxUse: "500M", MaxRetentionSec: "3month" })
 */
export const configured = defproplist({
  name: "journald.configured",
  args: object({ settings: settingsArgs }),
  call: (settings: Settings) => ({ settings }),
  desc: ({ settings }) =>
    `journal with ${Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ settings }) => {
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    const text = `[Journal]\n${lines.sort().join("")}`;
    return [
      onChange(file({ path: FILE, text, property: "journald.configured" }), restarted("systemd-journald")),
    ];
  },
});
