/** Containers of Podman, run by systemd. */
import {
  defprop,
  defproplist,
  type HostModel,
  onChange,
  schema,
  unapplied,
  withUnapply,
} from "consfigurator";
import { type ContainerOptions, containerArgs, containerArgsFrom } from "./_containerRun";
import { numberOf } from "./_debianSuites";
import * as os from "./_os";
import { ownFile } from "./_ownFile";
import { quadletText, unitFileText } from "./_podmanUnits";
import { systemctl } from "./_systemctl";
import { OWN_UNITS } from "./_systemctlVerbs";
import { installed as aptInstalled } from "./apt";
import * as systemd from "./systemd";

const { object } = schema;

/**
 * Podman of Debian is installed. It has no daemon: systemd runs the containers of `podman.container`.
 *
 * @example podman.installed()
 */
export const installed = defproplist({
  name: "podman.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "Podman installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("podman")],
});

const args = object({
  ...containerArgs,
  // Podman asks at a terminal which registry is meant when none is named.
  image: schema.string({
    pattern: "^([a-zA-Z0-9-]+\\.[a-zA-Z0-9.-]+|localhost)(:[0-9]+)?/[a-zA-Z0-9_.:/@-]+$",
    description: 'an image with its registry, such as "docker.io/library/nginx:1.27"',
  }),
});

const needs = { program: "podman", package: "podman" };
const unitPath = (unit: string): string => `${OWN_UNITS}/${unit}`;

/** Not enabled, where there is such a unit. */
const notEnabled = defprop({
  name: "podman._notEnabled",
  kind: "posix",
  args: object({ unit: schema.string() }),
  desc: ({ unit }) => `${unit} not enabled`,
  apply: async ({ unit }, target) => {
    if ((await target.lstat(unitPath(unit))) === undefined) return "unchanged";
    await systemctl(target, ["disable", unit], {});
    return "changed";
  },
});

const containerFile = defprop({ name: "podman._containerFile", ...ownFile({ mode: 0o600, needs }) });

/** Suites whose Podman is older than 4.4, which brought quadlets. */
const WITHOUT_QUADLETS = ["oldstable", "oldoldstable"];
const FIRST_WITH_QUADLETS = 13;

function hasQuadlets(host: HostModel): boolean {
  const value = os.of(host);
  const suite = value && os.isA(value, "debian") ? os.debianSuite(value) : "";
  return !WITHOUT_QUADLETS.includes(suite) && (numberOf(suite) ?? FIRST_WITH_QUADLETS) >= FIRST_WITH_QUADLETS;
}

/**
 * systemd runs the container `name`, now and after each boot, as the unit `name`.service: of `image`, which is pulled when it is
 * started and the host does not have it, as the options say. The unit is restarted when they have changed, and must still run a
 * second later; otherwise the property has failed, with the last lines of the journal. Where Podman has quadlets, from Debian 13 on,
 * /etc/containers/systemd/`name`.container describes it; before that, a unit file does. Podman must be installed. Unapplying it
 * stops and removes the container, but no volume.
 *
 * @example podman.container("shop", { image: "docker.io/library/nginx:1.27", ports: ["127.0.0.1:8080:80"], volumes: ["/srv/shop:/usr/share/nginx/html:ro"] })
 */
export const container = defproplist({
  name: "podman.container",
  args,
  call: (name: string, options: ContainerOptions & { readonly image: string }) =>
    containerArgsFrom(name, options),
  desc: ({ name, image }) => `container ${name} of ${image}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: (args, host) => {
    const unit = `${args.name}.service`;
    const isQuadlet = hasQuadlets(host);
    const file = containerFile({
      path: isQuadlet ? `/etc/containers/systemd/${args.name}.container` : unitPath(unit),
      text: isQuadlet ? quadletText(args) : unitFileText(args),
      property: "podman.container",
    });
    const reloaded = systemd.daemonReloaded();
    // The unit of a quadlet is made by a generator, which also starts it at boot.
    const boot = isQuadlet ? [] : [systemd.enabled(unit)];
    const noBoot = isQuadlet ? [] : [notEnabled({ unit })];
    return [
      withUnapply(
        [onChange(file, reloaded, systemd.restarted(unit)), ...boot, systemd.started(unit)],
        [systemd.stopped(unit), ...noBoot, unapplied(onChange(file, reloaded))],
      ),
    ];
  },
});
