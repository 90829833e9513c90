/** Containers of Podman as systemd is told of them. */
import { type ContainerArgs, runWords } from "./_containerRun";
import { execWord, unitText } from "./_unitText";

/** Seconds in which the unit must have started: the image may have to be pulled. */
const START_S = 900;

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
