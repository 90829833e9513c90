/** Docker, and its containers. */
import {
  AbortedChange,
  type Change,
  defprop,
  defproplist,
  onChange,
  type PosixTarget,
  schema,
} from "consfigurator";
import { type ContainerOptions, containerArgs, containerArgsFrom, imageName } from "./_containerRun";
import { containerApplied, containerRemoved, imageId, needsDocker, pulled } from "./_dockerContainer";
import * as os from "./_os";
import { ownFile } from "./_ownFile";
import { check } from "./_validate";
import { installed as aptInstalled } from "./apt";
import { isInhibited } from "./service";
import * as systemd from "./systemd";

const { boolean, json, line, list, object, optional, record, string } = schema;

/**
 * Docker of Debian is installed, and runs, now and after each boot.
 *
 * @example docker.installed()
 */
export const installed = defproplist({
  name: "docker.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "Docker installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [
    aptInstalled("docker.io"),
    systemd.enabled("docker.service"),
    systemd.started("docker.service"),
  ],
});

const DAEMON_FILE = "/etc/docker/daemon.json";

const daemonFile = defprop({
  name: "docker._daemonFile",
  ...ownFile({
    mode: 0o644,
    needs: { program: "dockerd", package: "docker.io" },
    judge,
  }),
});

/** dockerd judges settings from Docker 23 on, which Debian has since release 13. */
async function judge(target: PosixTarget, path: string, draft: Buffer): Promise<void> {
  if (!(await target.succeeds("dockerd --help | grep -qe --validate"))) return;
  await target.withTemporaryDirectory(async (directory) => {
    const copy = `${directory}/daemon.json`;
    await target.writeFile(copy, draft, { mode: 0o600 });
    await check(target, ["dockerd", "--validate", "--config-file", "%s"], copy, path, draft);
  });
}

/**
 * The daemon of Docker has `settings`, and no others, as in dockerd(8): the file /etc/docker/daemon.json. Where dockerd can, from
 * Docker 23 on, it judges them before they are put in place. Docker is restarted when they have changed, and with it all containers
 * unless `"live-restore"` is true. A host has one such property. Unapplying it removes the file.
 *
 * @example docker.configured({ "live-restore": true, "log-driver": "journald" })
 */
export const configured = defproplist({
  name: "docker.configured",
  args: object({ settings: record(json()) }),
  call: (settings: Readonly<Record<string, unknown>>) => ({ settings: { ...settings } }),
  desc: ({ settings }) => `Docker with ${Object.keys(settings).join(", ") || "no settings"}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ settings }) => {
    const text = `${JSON.stringify(settings, undefined, 2)}\n`;
    return [
      onChange(
        daemonFile({ path: DAEMON_FILE, text, property: "docker.configured" }),
        systemd.restarted("docker.service"),
      ),
    ];
  },
});

/**
 * The container `name` runs, of `image`, as the options say; an image that the host does not have is pulled. It is replaced when
 * the options have changed, or when the host has another image of that name by now: the old one is stopped, and comes back when the
 * new one does not run a second later, or its health check does not pass within two minutes; that is a failure, with the last
 * lines of its log. One that was stopped by hand is started. With `restart` "on-failure" or "no", one that has ended well stays
 * as it is. Does nothing where services are inhibited. Docker must be installed. Unapplying it removes the container, but no
 * volume.
 *
 * @example docker.container("shop", { image: "docker.io/library/nginx:1.27", ports: ["127.0.0.1:8080:80"], volumes: ["/srv/shop:/usr/share/nginx/html:ro"] })
 */
export const container = defprop({
  name: "docker.container",
  kind: "posix",
  args: object(containerArgs),
  call: (name: string, options: ContainerOptions & { readonly image: string }) =>
    containerArgsFrom(name, options),
  desc: ({ name, image }) => `container ${name} of ${image}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (args, target) => (isInhibited(target) ? "unchanged" : containerApplied(target, args)),
  unapply: async (args, target) => containerRemoved(target, args),
});

/**
 * The host has `image`. `newest`: it is pulled each time this is applied, and has changed when another image came; put a
 * `docker.container` of it behind that, which is replaced then. Docker must be installed. It cannot be unapplied.
 *
 * @example docker.imagePulled("docker.io/library/nginx:1.27", { newest: true })
 */
export const imagePulled = defprop({
  name: "docker.imagePulled",
  kind: "posix",
  args: object({ image: imageName(), newest: optional(boolean()) }),
  call: (image: string, options: { readonly newest?: boolean } = {}) => ({ image, ...options }),
  desc: ({ image, newest }) => `${newest ? "newest " : ""}image ${image}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ image, newest }, target) => {
    await needsDocker(target);
    if (!newest && (await imageId(target, image)) !== undefined) return "unchanged";
    return pulled(target, image);
  },
});

const objectName = (example: string) =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    description: `a name, such as "${example}"`,
  });

const networkArgs = object({
  name: objectName("shop"),
  driver: optional(objectName("bridge")),
  subnet: optional(
    string({ pattern: "^[0-9a-fA-F.:]+/[0-9]+$", description: 'a subnet, such as "10.9.0.0/24"' }),
  ),
  internal: optional(boolean()),
  options: optional(list(line())),
});
type NetworkArgs = schema.Infer<typeof networkArgs>;

/** What is known of a network of Docker. */
export interface NetworkOptions {
  /** Default: "bridge". */
  readonly driver?: string;
  readonly subnet?: string;
  /** True: its containers reach nothing outside of it. */
  readonly internal?: boolean;
  /** Further words for `docker network create`. They count when it is made. */
  readonly options?: readonly string[];
}

/** The network `name` as far as it can be compared; undefined when there is none. */
async function networkFound(
  target: PosixTarget,
  name: string,
): Promise<Omit<NetworkArgs, "options"> | undefined> {
  const format = '{"driver":{{json .Driver}},"internal":{{json .Internal}},"ipam":{{json .IPAM.Config}}}';
  const { exit, stdout, stderr } = await target.query(
    ["docker", "network", "inspect", "--format", format, name],
    {
      mayFail: true,
    },
  );
  if (exit !== 0) {
    if (/not found|no such network/i.test(stderr)) return undefined;
    throw new AbortedChange(`Docker cannot be asked: ${stderr.trim() || `exit code ${exit}`}`);
  }
  const { driver, internal, ipam } = JSON.parse(stdout);
  const subnet = (ipam as { Subnet?: string }[] | null)?.[0]?.Subnet;
  return { name, driver, internal, ...(subnet !== undefined && { subnet }) };
}

/** Whether the network is there. Throws `AbortedChange` for one of that name that is another one. */
async function networkHolds(target: PosixTarget, args: NetworkArgs): Promise<boolean> {
  const now = await networkFound(target, args.name);
  if (now === undefined) return false;
  const { driver = "bridge", internal = false, subnet = now.subnet } = args;
  const wrong = Object.entries({ driver, internal, subnet }).filter(
    ([key, value]) => now[key as keyof typeof now] !== value,
  );
  if (wrong.length === 0) return true;
  const differences = wrong.map(([key, value]) => `${key} is ${now[key as keyof typeof now]}, not ${value}`);
  throw new AbortedChange(
    `the network ${args.name} exists, but ${differences.join(", ")}, and Docker cannot change that; run \`docker network rm ${args.name}\` when no container uses it, and deploy again`,
  );
}

/**
 * Docker has the network `name`. One of that name with another driver or subnet, or that is not as `internal` says, is refused
 * with what to do. Docker must be installed. Unapplying it removes the network, which no container may use.
 *
 * @example docker.network("shop", { subnet: "10.9.0.0/24" })
 */
export const network = defprop({
  name: "docker.network",
  kind: "posix",
  args: networkArgs,
  call: (name: string, options: NetworkOptions = {}) => ({ name, ...options }) as NetworkArgs,
  desc: ({ name }) => `network ${name} of Docker`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (args, target) => {
    await needsDocker(target);
    if (await networkHolds(target, args)) return "unchanged";
    const { name, driver, subnet, internal, options = [] } = args;
    await target.run([
      ...["docker", "network", "create"],
      ...(driver === undefined ? [] : [`--driver=${driver}`]),
      ...(subnet === undefined ? [] : [`--subnet=${subnet}`]),
      ...(internal ? ["--internal"] : []),
      ...options,
      name,
    ]);
    return "changed";
  },
  unapply: async ({ name }, target): Promise<Change> => {
    await needsDocker(target);
    if ((await networkFound(target, name)) === undefined) return "unchanged";
    await target.run(["docker", "network", "rm", name]);
    return "changed";
  },
});
