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
import {
  type ContainerArgs,
  type ContainerOptions,
  containerArgs,
  containerArgsFrom,
  runWords,
} from "./_containerRun";
import { numberOf } from "./_debianSuites";
import * as os from "./_os";
import { ownFile } from "./_ownFile";
import { systemctl } from "./_systemctl";
import { OWN_UNITS } from "./_systemctlVerbs";
import { execWord, unitText } from "./_unitText";
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

/** Seconds in which the unit must have started: the image may have to be pulled. */
const START_S = 900;

/** Suites whose Podman is older than 4.4, which brought quadlets. */
const WITHOUT_QUADLETS = ["oldstable", "oldoldstable"];
const FIRST_WITH_QUADLETS = 13;

function hasQuadlets(host: HostModel): boolean {
  const value = os.of(host);
  const suite = value && os.isA(value, "debian") ? os.debianSuite(value) : "";
  return !WITHOUT_QUADLETS.includes(suite) && (numberOf(suite) ?? FIRST_WITH_QUADLETS) >= FIRST_WITH_QUADLETS;
}

const section = (name: string, ...settings: (readonly [key: string, value: string])[]): string =>
  [`[${name}]`, ...settings.map(([key, value]) => `${key}=${value}`), ""].join("\n");

const head = ({ name }: ContainerArgs) =>
  section(
    "Unit",
    ["Description", `Container ${name}`],
    ["Wants", "network-online.target"],
    ["After", "network-online.target"],
  );

const service = ({ restart = "always" }: ContainerArgs): (readonly [string, string])[] => [
  ["Restart", restart],
  ["TimeoutStartSec", String(START_S)],
];

const install = section("Install", ["WantedBy", "multi-user.target"]);

const execText = (words: readonly string[]): string => words.map(execWord).join(" ");

/** As podman-systemd.unit(5) has it. */
export function quadletText(args: ContainerArgs): string {
  const each = (key: string, values: readonly string[] = []) => values.map((value) => [key, value] as const);
  const pairs = (key: string, values: Readonly<Record<string, string>> = {}) =>
    Object.entries(values).map(([name, value]) => [key, execWord(`${name}=${value}`)] as const);
  const one = (value: string | undefined) => (value === undefined ? [] : [unitText(value)]);
  return [
    head(args),
    section(
      "Container",
      ["ContainerName", args.name],
      ["Image", args.image],
      ...each("Exec", args.command && [execText(args.command)]),
      ...pairs("Environment", args.env),
      ...each("EnvironmentFile", args.envFiles?.map(unitText)),
      ...each("PublishPort", args.ports),
      ...each("Volume", args.volumes?.map(unitText)),
      ...each("Network", one(args.network)),
      ...each("User", one(args.user)),
      ...pairs("Label", args.labels),
      ...each(
        "PodmanArgs",
        args.options?.map((option) => execText([option])),
      ),
    ),
    section("Service", ...service(args)),
    install,
  ].join("\n");
}

/** As `podman generate systemd --new` writes it. */
export function unitFileText(args: ContainerArgs): string {
  const id = "--cidfile=%t/%n.ctr-id";
  const run = [
    ...["--cgroups=no-conmon", "--rm", "--sdnotify=conmon", "--replace", "--detach"],
    ...[`--name=${args.name}`, ...runWords(args)],
  ];
  return [
    head(args),
    section(
      "Service",
      ["Type", "notify"],
      ["NotifyAccess", "all"],
      ["Environment", "PODMAN_SYSTEMD_UNIT=%n"],
      ...service(args),
      ["TimeoutStopSec", "70"],
      ["ExecStartPre", "/bin/rm -f %t/%n.ctr-id"],
      ["ExecStart", `/usr/bin/podman run ${id} ${execText(run)}`],
      ["ExecStop", `/usr/bin/podman stop --ignore --time=10 ${id}`],
      ["ExecStopPost", `/usr/bin/podman rm --force --ignore ${id}`],
    ),
    install,
  ].join("\n");
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
