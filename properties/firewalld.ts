/** firewalld: zones and what they let through, now and after each boot. */
import { defprop, defproplist, FailedChange, schema, withFlagfile } from "consfigurator";
import { debianlike, zone } from "./_firewallArgs";
import { setting, value } from "./_firewallCmd";
import { installed } from "./_firewallFiles";
import { hasZone, zoneHasInterface } from "./_firewallZones";
import { needed } from "./_needs";

export * from "./_firewallFiles";
export * from "./_firewallZones";

const { list, object, optional, string } = schema;

/**
 * firewalld has the direct rule of the words `rule`, as in firewalld.direct(5). Unapplying it removes the rule. Direct rules are
 * deprecated: a rich rule or a policy can do most of it.
 *
 * @example firewalld.hasDirectRule("ipv4", "filter", "INPUT", "0", "-p", "tcp", "--dport", "9999", "-j", "DROP")
 */
export const hasDirectRule = defproplist({
  name: "firewalld.hasDirectRule",
  args: object({ rule: list(string({ pattern: "^[^\\n\\r]+$" }), { minItems: 5 }) }),
  call: (...rule: string[]) => ({ rule }),
  desc: ({ rule }) => `firewalld has the direct rule ${rule.join(" ")}`,
  hostattrs: debianlike,
  parts: ({ rule }) => [
    needed(installed()),
    setting({
      property: "firewalld.hasDirectRule",
      shown: rule.join(" "),
      query: ["--direct", "--query-rule", ...rule],
      add: ["--direct", "--add-rule", ...rule],
      remove: ["--direct", "--remove-rule", ...rule],
      runtime: true,
    }),
  ],
});

/**
 * What is in no other zone is in the zone `zone`, which is made if it is missing.
 *
 * @example firewalld.hasDefaultZone("public")
 */
export const hasDefaultZone = defproplist({
  name: "firewalld.hasDefaultZone",
  args: object({ zone: zone() }),
  call: (zone: string) => ({ zone }),
  desc: ({ zone }) => `the default zone is ${zone}`,
  hostattrs: debianlike,
  parts: ({ zone }) => [
    needed(hasZone(zone)),
    value({
      property: "firewalld.hasDefaultZone",
      shown: `default zone ${zone}`,
      query: ["--get-default-zone"],
      value: zone,
      set: [`--set-default-zone=${zone}`],
      permanent: false,
    }),
  ],
});

const defaultRouteZoned = defprop({
  name: "firewalld._defaultRouteZoned",
  kind: "posix",
  args: object({ zone: zone() }),
  desc: ({ zone }) => `the interface of the default route is in the zone ${zone}`,
  inline: true,
  apply: async ({ zone }, target, steps) => {
    const { stdout } = await target.query(["ip", "route", "list", "scope", "global"], {
      about: { units: true },
    });
    const [, found] = /^default (?:.* )?dev (\S+)/m.exec(stdout) ?? [];
    if (found !== undefined) return steps.apply(zoneHasInterface(zone, found));
    throw new FailedChange(
      `${target.host.name} has no default route; name the interface with firewalld.zoneHasInterface("${zone}", "eth0")`,
    );
  },
});

/**
 * The network interface through which the default route leads is put into the zone `zone`, once: later the default route may
 * lead elsewhere for a while, such as through a VPN. For a server without NetworkManager, whose interface may come up before
 * firewalld and be in no zone. The file /etc/consfigurator/firewalld/default-route-zoned says that it was done.
 *
 * @example firewalld.defaultRouteZonedOnce("public")
 */
export const defaultRouteZonedOnce = defproplist({
  name: "firewalld.defaultRouteZonedOnce",
  args: object({ zone: optional(zone()) }),
  call: (zone?: string) => ({ ...(zone !== undefined && { zone }) }),
  desc: ({ zone = "public" }) => `the default route is in the zone ${zone}`,
  hostattrs: debianlike,
  parts: ({ zone = "public" }) => [
    withFlagfile(
      "/etc/consfigurator/firewalld/default-route-zoned",
      installed(),
      hasZone(zone),
      defaultRouteZoned({ zone }),
    ),
  ],
});
