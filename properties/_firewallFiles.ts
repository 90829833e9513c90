/** Files of firewalld, which it judges before they are put in place. */
import {
  defprop,
  defproplist,
  onChange,
  type PropApp,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { debianlike, name, service, zone } from "./_firewallArgs";
import { ETC, reloaded } from "./_firewallCmd";
import { refuseUnlessAccepted } from "./_judged";
import { content, type Lines, wholeText } from "./_lines";
import { needed, needsRoot } from "./_needs";
import { installed as aptInstalled } from "./apt";

const { object, string } = schema;

/**
 * firewalld is installed, and lets nothing in but what its zones say: ssh and dhcpv6-client by default.
 *
 * @example firewalld.installed()
 */
export const installed = defproplist({
  name: "firewalld.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "firewalld installed",
  hostattrs: debianlike,
  parts: () => [aptInstalled("firewalld")],
});

const xmlFile = defprop({
  name: "firewalld._xml",
  kind: "posix",
  args: object({ file: string(), text: string(), property: string() }),
  desc: ({ file }) => `content of ${ETC}/${file}`,
  apply: async ({ file, text, property }, target) => {
    await needsRoot(target, property);
    const path = `${ETC}/${file}`;
    return withCreatedNoted(target, path, () =>
      target.ensureContent(path, text, {
        validate: (input) =>
          refuseUnlessAccepted(target, {
            directory: ETC,
            change: `mkdir -p "$(dirname "$COPY/${file}")" && cat >"$COPY/${file}"`,
            input,
            judge: 'firewall-offline-cmd --system-config "$COPY" --check-config',
            refused: `firewalld refuses the new content of ${path}`,
            done: "written",
          }),
      }),
    );
  },
  unapply: async ({ file, property }, target) => {
    await needsRoot(target, property);
    const path = `${ETC}/${file}`;
    return withCreatedRemoved(target, path, () => target.remove(path));
  },
});

const xmlParts = (directory: string, name: string, xml: Lines, property: string): PropApp[] => [
  needed(installed()),
  onChange(
    xmlFile({ file: `${directory}/${name}.xml`, text: wholeText(xml), property: `firewalld.${property}` }),
    reloaded(),
  ),
];

/**
 * firewalld knows the service `service`, by the file /etc/firewalld/services/`service`.xml. It judges the new content before
 * it is put in place, and is reloaded. Unapplying it deletes the file.
 *
 * @example firewalld.knowsService("shop", ["<service>", '<port protocol="tcp" port="8080"/>', "</service>"])
 */
export const knowsService = defproplist({
  name: "firewalld.knowsService",
  args: object({ service: service(), xml: content() }),
  call: (service: string, xml: Lines) => ({ service, xml }),
  desc: ({ service }) => `firewalld knows the service ${service}`,
  hostattrs: debianlike,
  parts: ({ service, xml }) => xmlParts("services", service, xml, "knowsService"),
});

/**
 * firewalld has the policy `policy`, by the file /etc/firewalld/policies/`policy`.xml: see `firewalld.knowsService`.
 *
 * @example firewalld.hasPolicy("out", ['<policy target="ACCEPT">', '<ingress-zone name="HOST"/>', '<egress-zone name="ANY"/>', "</policy>"])
 */
export const hasPolicy = defproplist({
  name: "firewalld.hasPolicy",
  args: object({ policy: name('a policy, such as "out"', 17), xml: content() }),
  call: (policy: string, xml: Lines) => ({ policy, xml }),
  desc: ({ policy }) => `firewalld has the policy ${policy}`,
  hostattrs: debianlike,
  parts: ({ policy, xml }) => xmlParts("policies", policy, xml, "hasPolicy"),
});

/**
 * firewalld has the whole zone `zone` by the file /etc/firewalld/zones/`zone`.xml: see `firewalld.knowsService`. Do not use
 * it together with `firewalld.zoneHasService` and the like for the same zone, which edit this file.
 *
 * @example firewalld.hasZoneXml("inner", ["<zone>", '<service name="ssh"/>', "</zone>"])
 */
export const hasZoneXml = defproplist({
  name: "firewalld.hasZoneXml",
  args: object({ zone: zone(), xml: content() }),
  call: (zone: string, xml: Lines) => ({ zone, xml }),
  desc: ({ zone }) => `firewalld has the zone ${zone}, as a whole`,
  hostattrs: debianlike,
  parts: ({ zone, xml }) => xmlParts("zones", zone, xml, "hasZoneXml"),
});
