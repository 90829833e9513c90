/** Zones of firewalld, and what they have. */
import { defproplist, onChange, type PropApp, schema } from "consfigurator";
import { debianlike, plain, service, zone } from "./_firewallArgs";
import { reloaded, setting, value } from "./_firewallCmd";
import { installed } from "./_firewallFiles";
import { needed } from "./_needs";

const { object, string } = schema;

/**
 * firewalld is installed, and has the zone `zone`. A new one lets nothing in. Unapplying it deletes the zone.
 *
 * @example firewalld.hasZone("inner")
 */
export const hasZone = defproplist({
  name: "firewalld.hasZone",
  args: object({ zone: zone() }),
  call: (zone: string) => ({ zone }),
  desc: ({ zone }) => `firewalld has the zone ${zone}`,
  hostattrs: debianlike,
  parts: ({ zone }) => [
    needed(installed()),
    onChange(
      setting({
        property: "firewalld.hasZone",
        shown: `zone ${zone}`,
        query: [`--zone=${zone}`, "--get-target"],
        add: [`--new-zone=${zone}`],
        remove: [`--delete-zone=${zone}`],
        runtime: false,
      }),
      reloaded(),
    ),
  ],
});

/**
 * What no rule of the zone `zone` is about is treated as `target` says: "ACCEPT", "DROP", "%%REJECT%%", or "default". The
 * zone is made if it is missing.
 *
 * @example firewalld.zoneHasTarget("inner", "ACCEPT")
 */
export const zoneHasTarget = defproplist({
  name: "firewalld.zoneHasTarget",
  args: object({ zone: zone(), target: schema.oneOf("default", "ACCEPT", "DROP", "%%REJECT%%") }),
  call: (zone: string, target: "default" | "ACCEPT" | "DROP" | "%%REJECT%%") => ({ zone, target }),
  desc: ({ zone, target }) => `zone ${zone} has the target ${target}`,
  hostattrs: debianlike,
  parts: ({ zone, target }) => [
    needed(hasZone(zone)),
    onChange(
      value({
        property: "firewalld.zoneHasTarget",
        shown: `target ${target}`,
        query: [`--zone=${zone}`, "--get-target"],
        value: target,
        set: [`--zone=${zone}`, `--set-target=${target}`],
        permanent: true,
      }),
      reloaded(),
    ),
  ],
});

/** A property that a zone has something, asked with --query-WHAT, and given and taken with the other options. */
interface InZone {
  readonly property: string;
  readonly zone: string;
  readonly shown: string;
  readonly what: string;
  readonly verb: "add" | "change";
  readonly value?: string;
  readonly removeOffline?: string;
}

function inZone({ property, zone, shown, what, verb, value, removeOffline }: InZone): PropApp[] {
  const given = value === undefined ? "" : `=${value}`;
  const words = (option: string) => [`--zone=${zone}`, `--${option}${given}`];
  return [
    needed(hasZone(zone)),
    setting({
      property: `firewalld.${property}`,
      shown,
      query: words(`query-${what}`),
      add: words(`${verb}-${what}`),
      remove: words(`remove-${what}`),
      ...(removeOffline !== undefined && { removeOffline: words(removeOffline) }),
      runtime: true,
    }),
  ];
}

/**
 * What comes in through the network interface `networkInterface` is in the zone `zone`, which is made if it is missing.
 * Unapplying it leaves the interface to the default zone.
 *
 * @example firewalld.zoneHasInterface("inner", "eth1")
 */
export const zoneHasInterface = defproplist({
  name: "firewalld.zoneHasInterface",
  args: object({ zone: zone(), networkInterface: plain('a network interface, such as "eth0"') }),
  call: (zone: string, networkInterface: string) => ({ zone, networkInterface }),
  desc: ({ zone, networkInterface }) => `${networkInterface} is in the zone ${zone}`,
  hostattrs: debianlike,
  parts: ({ zone, networkInterface }) =>
    inZone({
      property: "zoneHasInterface",
      zone,
      shown: `interface ${networkInterface}`,
      what: "interface",
      verb: "change",
      value: networkInterface,
    }),
});

/**
 * What comes from the addresses `source` is in the zone `zone`, which is made if it is missing. Unapplying it ends that.
 *
 * @example firewalld.zoneHasSource("inner", "192.0.2.0/24")
 */
export const zoneHasSource = defproplist({
  name: "firewalld.zoneHasSource",
  args: object({ zone: zone(), source: plain('addresses, such as "192.0.2.0/24"') }),
  call: (zone: string, source: string) => ({ zone, source }),
  desc: ({ zone, source }) => `${source} is in the zone ${zone}`,
  hostattrs: debianlike,
  parts: ({ zone, source }) =>
    inZone({
      property: "zoneHasSource",
      zone,
      shown: `source ${source}`,
      what: "source",
      verb: "change",
      value: source,
    }),
});

/**
 * The zone `zone`, which is made if it is missing, lets the service `service` in, one that firewalld knows. Unapplying it
 * ends that.
 *
 * @example firewalld.zoneHasService("public", "https")
 */
export const zoneHasService = defproplist({
  name: "firewalld.zoneHasService",
  args: object({ zone: zone(), service: service() }),
  call: (zone: string, service: string) => ({ zone, service }),
  desc: ({ zone, service }) => `zone ${zone} lets ${service} in`,
  hostattrs: debianlike,
  parts: ({ zone, service }) =>
    inZone({
      property: "zoneHasService",
      zone,
      shown: `service ${service}`,
      what: "service",
      verb: "add",
      value: service,
      removeOffline: "remove-service-from-zone",
    }),
});

/**
 * The zone `zone`, which is made if it is missing, lets in what is sent to `port`. Unapplying it ends that.
 *
 * @example firewalld.zoneHasPort("public", "8080/tcp")
 */
export const zoneHasPort = defproplist({
  name: "firewalld.zoneHasPort",
  args: object({
    zone: zone(),
    port: string({
      pattern: "^[0-9]{1,5}(-[0-9]{1,5})?/(tcp|udp|sctp|dccp)$",
      description: 'ports with their protocol, such as "8080/tcp" or "5000-5010/udp"',
    }),
  }),
  call: (zone: string, port: string) => ({ zone, port }),
  desc: ({ zone, port }) => `zone ${zone} lets ${port} in`,
  hostattrs: debianlike,
  parts: ({ zone, port }) =>
    inZone({ property: "zoneHasPort", zone, shown: `port ${port}`, what: "port", verb: "add", value: port }),
});

/**
 * What leaves through the zone `zone`, which is made if it is missing, has the address of the host. Unapplying it ends that.
 *
 * @example firewalld.zoneHasMasquerade("external")
 */
export const zoneHasMasquerade = defproplist({
  name: "firewalld.zoneHasMasquerade",
  args: object({ zone: zone() }),
  call: (zone: string) => ({ zone }),
  desc: ({ zone }) => `zone ${zone} masquerades`,
  hostattrs: debianlike,
  parts: ({ zone }) =>
    inZone({ property: "zoneHasMasquerade", zone, shown: "masquerading", what: "masquerade", verb: "add" }),
});

/**
 * The zone `zone`, which is made if it is missing, has the rich rule `rule`, as in firewalld.richlanguage(5). Unapplying it
 * removes the rule.
 *
 * @example firewalld.zoneHasRichRule("public", 'rule family="ipv4" source address="192.0.2.7" service name="ssh" reject')
 */
export const zoneHasRichRule = defproplist({
  name: "firewalld.zoneHasRichRule",
  args: object({
    zone: zone(),
    rule: string({ pattern: "^rule( [^\\n\\r]+)?$", description: 'a rule that begins with "rule"' }),
  }),
  call: (zone: string, rule: string) => ({ zone, rule }),
  desc: ({ zone, rule }) => `zone ${zone} has ${rule}`,
  hostattrs: debianlike,
  parts: ({ zone, rule }) =>
    inZone({ property: "zoneHasRichRule", zone, shown: rule, what: "rich-rule", verb: "add", value: rule }),
});
