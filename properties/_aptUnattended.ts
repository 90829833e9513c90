/** Upgrades that are installed without anybody asking for them. */
import { defproplist, schema } from "consfigurator";
import { configurationFile } from "./_aptConfig";
import { installed, removed } from "./_aptPackages";
import { existsWithContent } from "./_fileContent";
import { doesNotExist } from "./_fileKinds";
import * as os from "./_os";

const { boolean, either, list, object, oneOf, optional, string } = schema;

const quotable = (description: string) => string({ pattern: '^[^"\\n\\r]+$', description });

const options = object({
  mail: optional(quotable('an address, such as "root"')),
  mailReport: optional(oneOf("always", "only-on-error", "on-change")),
  origins: optional(
    list(quotable('the origin of packages, such as "origin=Debian,codename=${distro_codename}-updates"')),
  ),
  excluded: optional(list(quotable('a regular expression for names of packages, such as "^linux-"'))),
  reboot: optional(
    either(
      boolean(),
      string({ pattern: "^([01]\\d|2[0-3]):[0-5]\\d$", description: 'a time of day, such as "02:38"' }),
    ),
  ),
  removeUnused: optional(boolean()),
});
type Options = schema.Infer<typeof options>;

const file = configurationFile("52unattended-upgrades-local");

/**
 * Security fixes are installed daily, by unattended-upgrades, which apt's own timers start; on a host without systemd cron
 * must be installed. `mail` (default: root) is told: when something was installed or failed, or as `mailReport` says.
 * `origins` are further sources that upgrades are taken from, `excluded` packages that are left alone. With `reboot: true`
 * the host restarts at once when an upgrade needs that, with a time at that time of day. `removeUnused: true` removes
 * dependencies that nothing needs any more. Unapplying it removes unattended-upgrades.
 *
 * @example apt.unattendedUpgrades()
 * @example apt.unattendedUpgrades({ reboot: "04:30", origins: ["origin=Debian,codename=${distro_codename}-updates"] })
 */
export const unattendedUpgrades = defproplist({
  name: "apt.unattendedUpgrades",
  args: object({ options }),
  call: (options: Options = {}) => ({ options }),
  desc: () => "security fixes installed daily",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ options }) => [installed("unattended-upgrades"), existsWithContent(file, configuration(options))],
  unapply: async (_args, _target, steps) => {
    const gone = await steps.apply(doesNotExist(file));
    const uninstalled = await steps.apply(removed("unattended-upgrades"));
    return gone === "changed" ? gone : uninstalled;
  },
});

/** In a file of its own: it is read after those that the package brings. */
function configuration(options: Options): string[] {
  const {
    mail = "root",
    mailReport = "on-change",
    origins = [],
    excluded = [],
    reboot,
    removeUnused,
  } = options;
  const own = (key: string, value: string) => `Unattended-Upgrade::${key} "${value}";`;
  return [
    'APT::Periodic::Enable "1";',
    'APT::Periodic::Update-Package-Lists "1";',
    'APT::Periodic::Unattended-Upgrade "1";',
    own("Mail", mail),
    own("MailReport", mailReport),
    ...origins.map((each) => own("Origins-Pattern::", each)),
    ...excluded.map((each) => own("Package-Blacklist::", each)),
    ...(reboot === undefined ? [] : [own("Automatic-Reboot", String(reboot !== false))]),
    ...(typeof reboot === "string" ? [own("Automatic-Reboot-Time", reboot)] : []),
    ...(removeUnused === undefined ? [] : [own("Remove-Unused-Dependencies", String(removeUnused))]),
  ];
}
