/** Containers of LXC that belong to users: root in them is nobody on the host. */
import {
  AbortedChange,
  as,
  type ChildHost,
  defprop,
  defproplist,
  deploys,
  FailedChange,
  type Host,
  InapplicableProperty,
  type MaybePropApp,
  makeChildHost,
  type PosixTarget,
  schema,
  seqprops,
  unapplied,
  untilFailure,
  via,
  withFlagfile,
  withoutEmpty,
  withUnapply,
} from "consfigurator";
import type { BootstrapOptions } from "./_bootstrap";
import { childOf } from "./_childOf";
import { lxcName, lxcRun, lxcStart, lxcState, needsSession } from "./_lxcCommand";
import { configArgs, configured, placeOf, shifted } from "./_lxcContainer";
import { type IdMap, mapsFrom, refuseOverlaps } from "./_lxcIds";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";
import { osBootstrappedFor } from "./chroot";
import { containsLines, directoryDoesNotExist, directoryExists, hasContent } from "./file";
import { isInhibited } from "./service";
import * as systemd from "./systemd";
import { hasAccount } from "./user";

const { account, integer, list, object, optional, propapp, string } = schema;

/**
 * LXC is installed, with what containers of users need.
 *
 * @example lxc.installed()
 */
export const installed = defproplist({
  name: "lxc.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "LXC installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("lxc", "uidmap")],
});

const containerArgs = object({ name: lxcName(), owner: optional(account()) });

/** A host, or its name, which is that of the container. */
type Named = Pick<Host, "name"> | string;
const nameOf = (host: Named): string => (typeof host === "string" ? host : host.name);
const byName = (host: Named, owner?: string) => ({
  name: nameOf(host),
  ...(owner !== undefined && { owner }),
});
const ownersText = ({ owner }: { readonly owner?: string | undefined }): string =>
  owner ? ` of ${owner}` : "";

/** Seconds in which a container must have started, and that it must have run to be taken to go on. */
const START_S = 20;
const STEADY_S = 1;

/**
 * The container that is called as `host`, of the user `owner` or else of the connected user, runs, and still does a second after its
 * start. There must be one: see `lxc.userContainerFor`. A user other than root needs an instance of systemd:
 * `systemd.lingeringEnabled`. Does nothing where services are inhibited.
 *
 * @example lxc.userContainerStarted("build.example.org", "ana")
 */
export const userContainerStarted = defprop({
  name: "lxc.userContainerStarted",
  kind: "posix",
  args: containerArgs,
  call: byName,
  desc: (args) => `container ${args.name}${ownersText(args)} started`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name, owner }, target) => {
    if (isInhibited(target)) return "unchanged";
    const state = await lxcState(target, owner, name);
    if (state === "RUNNING") return "unchanged";
    if (state === undefined)
      throw new AbortedChange(
        `${owner ?? "the connected user"} has no container ${name}; put lxc.userContainerFor before this property`,
      );
    await needsSession(target, owner);
    const why = await lxcStart(target, owner, name);
    if (why !== undefined) throw new FailedChange(`the container ${name} did not start: ${why}`);
    if (!(await runsSteadily(target, owner, name)))
      throw new FailedChange(
        `the container ${name} does not keep running; \`lxc-start --foreground --name=${name}\` shows why`,
      );
    return "changed";
  },
});

async function runsSteadily(target: PosixTarget, owner: string | undefined, name: string): Promise<boolean> {
  for (let tries = 0; tries < START_S; tries += 1) {
    if ((await lxcState(target, owner, name)) === "RUNNING") {
      await target.query(`sleep ${STEADY_S}`);
      return (await lxcState(target, owner, name)) === "RUNNING";
    }
    await target.query("sleep 1");
  }
  return false;
}

/**
 * The container that is called as `host`, of the user `owner` or else of the connected user, does not run. It is shut down, and
 * ended after a minute.
 *
 * @example lxc.userContainerStopped("build.example.org", "ana")
 */
export const userContainerStopped = defprop({
  name: "lxc.userContainerStopped",
  kind: "posix",
  args: containerArgs,
  call: byName,
  desc: (args) => `container ${args.name}${ownersText(args)} stopped`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name, owner }, target) => {
    const state = await lxcState(target, owner, name);
    if (state === undefined || state === "STOPPED") return "unchanged";
    const { exit, stderr } = await lxcRun(target, owner, ["lxc-stop", `--name=${name}`, "--timeout=60"]);
    if (exit !== 0 && (await lxcState(target, owner, name)) === "RUNNING")
      throw new FailedChange(`the container ${name} did not stop: ${stderr.trim() || `exit code ${exit}`}`);
    return "changed";
  },
});

/**
 * Applies each of `applications` in order while the container that is called as `host` runs, and nothing otherwise. The first
 * failure stops the rest. Unapplying unapplies them, while it runs.
 *
 * @example lxc.whenUserContainerRunning("build.example.org", { owner: "ana" }, file.hasContent("/run/build-runs", "yes"))
 */
export const whenUserContainerRunning = defprop({
  name: "lxc.whenUserContainerRunning",
  kind: "posix",
  args: object({ name: lxcName(), owner: optional(account()), applications: list(propapp()) }),
  call: (host: Named, { owner }: { readonly owner?: string } = {}, ...applications: MaybePropApp[]) => ({
    ...byName(host, owner),
    applications: withoutEmpty(applications),
  }),
  desc: (args) => `while the container ${args.name}${ownersText(args)} runs`,
  hostattrs: ({ applications }, _host, visits) => {
    for (const application of applications) visits.visit(application);
  },
  apply: (args, target, steps) =>
    whileRunning(args, target, () => untilFailure(args.applications, "apply", steps)),
  unapply: (args, target, steps) =>
    whileRunning(args, target, () => untilFailure(args.applications.toReversed(), "unapply", steps)),
  unappliable: ({ applications }, each) => applications.every(each),
});

async function whileRunning(
  { name, owner }: { readonly name: string; readonly owner?: string | undefined },
  target: PosixTarget,
  act: () => ReturnType<typeof untilFailure>,
): ReturnType<typeof untilFailure> {
  if (isInhibited(target)) return "unchanged";
  return (await lxcState(target, owner, name)) === "RUNNING" ? act() : "unchanged";
}

const AUTOSTART = [
  "[Unit]",
  "Description=Containers of LXC that start by themselves",
  "",
  "[Service]",
  "Type=oneshot",
  "Delegate=yes",
  "RemainAfterExit=yes",
  "ExecStart=/usr/bin/lxc-autostart",
  "ExecStop=/usr/bin/lxc-autostart --shutdown",
  "",
  "[Install]",
  "WantedBy=default.target",
];

/**
 * The containers of `user` that have `autostart` start when the host boots: by the unit lxc-autostart.service of that user, who
 * has an account, and an instance of systemd without a login.
 *
 * @example lxc.userContainersAutostart("ana")
 */
export const userContainersAutostart = defproplist({
  name: "lxc.userContainersAutostart",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  desc: ({ user }) => `containers of ${user} start at boot`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ user }) => [
    needed(seqprops(hasAccount(user), systemd.lingeringEnabled(user))),
    as(
      user,
      hasContent(".config/systemd/user/lxc-autostart.service", AUTOSTART),
      systemd.enabled("lxc-autostart.service", { userInstance: true }),
    ),
  ],
});

const interfaceName = () =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    maxLength: 15,
    description: 'the name of a bridge, or "none"',
  });

/**
 * Containers of `user` may have up to `count` virtual Ethernet interfaces on the bridge `bridge`: the file /etc/lxc/lxc-usernet says
 * so. "none" is for those on no bridge. Unapplying it removes the line.
 *
 * @example lxc.usernetVethUsableBy("ana", { bridge: "lxcbr0", count: 10 })
 */
export const usernetVethUsableBy = defprop({
  name: "lxc.usernetVethUsableBy",
  kind: "posix",
  args: object({ user: account(), bridge: interfaceName(), count: integer({ minimum: 1 }) }),
  call: (
    user: string,
    { bridge = "lxcbr0", count = 10 }: { readonly bridge?: string; readonly count?: number } = {},
  ) => ({ user, bridge, count }),
  desc: ({ user, bridge, count }) => `${count} interfaces on ${bridge} for containers of ${user}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ user, bridge, count }, target) => {
    await needsRoot(target, "lxc.usernetVethUsableBy");
    const wanted = `${user} veth ${bridge} ${count}`;
    return target.editLines(USERNET, (lines) => {
      const at = lines.findIndex((line) => isFor(line, user, bridge));
      const others = (each: string, index: number) => index === at || !isFor(each, user, bridge);
      const replaced = lines.filter(others).map((line) => (isFor(line, user, bridge) ? wanted : line));
      return at < 0 ? [...replaced, wanted] : replaced;
    });
  },
  unapply: async ({ user, bridge }, target) => {
    await needsRoot(target, "lxc.usernetVethUsableBy");
    if ((await target.stat(USERNET)) === undefined) return "unchanged";
    return target.editLines(USERNET, (lines) => lines.filter((line) => !isFor(line, user, bridge)));
  },
});

const USERNET = "/etc/lxc/lxc-usernet";

const isFor = (line: string, user: string, bridge: string): boolean => {
  const [name, type, on] = line.trim().split(/\s+/);
  return name === user && type === "veth" && on === bridge;
};

/** What is known of a container of a user, besides its host. */
export interface UserContainerOptions {
  /** True: it is started, and again by `lxc.userContainersAutostart`. */
  readonly autostart?: boolean;
  /** Ranges of user numbers, such as [0, 100000, 65536]. Default: the first range of the user in /etc/subuid. */
  readonly uidMaps?: IdMap | readonly IdMap[];
  /** As `uidMaps`, of groups, in /etc/subgid. */
  readonly gidMaps?: IdMap | readonly IdMap[];
  /** The first lines of its configuration. Default: those for containers of users. */
  readonly preludeLines?: readonly string[];
  /** Its last lines. Default: an interface on lxcbr0, which `lxc.usernetVethUsableBy` allows. */
  readonly additionalLines?: readonly string[];
  /** For `chroot.osBootstrappedFor`. */
  readonly chrootOptions?: BootstrapOptions;
}

/**
 * The user `user` has a container of LXC that is called as `host`, with its system, and while it runs, `host` and `additional` are
 * deployed in it. Its files are made once, as by `chroot.osBootstrappedFor` in
 * /var/lib/consfigurator/lxc, and then given the numbers that they have on the host, by which its root is an ordinary user there.
 * With `autostart` it is started. The account, and its instance of systemd without a login, are made where they are missing. The container
 * must not be called as the host. Maps that are changed later are refused. Unapplying it stops the container, and removes its
 * configuration and its files.
 *
 * @example lxc.userContainerFor({ autostart: true }, "ana", makeChildHost({ name: "build.example.org" }, os.debianStable("bookworm", "amd64"), apt.installed("gcc")))
 */
export const userContainerFor = defproplist({
  name: "lxc.userContainerFor",
  args: object({ ...configArgs, system: propapp(), inside: propapp() }),
  call: (
    { chrootOptions = {}, ...options }: UserContainerOptions,
    user: string,
    host: Host | ChildHost,
    ...additional: MaybePropApp[]
  ) => {
    // The schema says that a name is missing.
    const name = host.name as string;
    return {
      ...(options as object),
      user,
      name,
      system: osBootstrappedFor(chrootOptions, placeOf(user, name).root, host, ...additional),
      inside: deploys(childOf(host, ...host.applications), via.as(user), via.lxc(name), ...additional),
    };
  },
  desc: ({ user, name }) => `container ${name} of ${user}`,
  hostattrs: ({ name, uidMaps, gidMaps }, host) => {
    os.required(host, "debianlike");
    if (host.name === name)
      throw new InapplicableProperty(`the container ${name} must not be called as the host`);
    refuseOverlaps(mapsFrom(uidMaps as never), "user numbers");
    refuseOverlaps(mapsFrom(gidMaps as never), "group numbers");
  },
  parts: ({ system, inside, ...args }) => {
    const { user, name, autostart, uidMaps, gidMaps } = args;
    const { base, built } = placeOf(user, name);
    const maps = { ...(uidMaps && { uidMaps }), ...(gidMaps && { gidMaps }) };
    const ranges = [
      ...lines("/etc/subuid", user, mapsFrom(uidMaps as never)),
      ...lines("/etc/subgid", user, mapsFrom(gidMaps as never)),
    ];
    return [
      withUnapply(
        [
          installed(),
          hasAccount(user),
          systemd.lingeringEnabled(user),
          ...ranges,
          directoryExists(base),
          withFlagfile(built, system, shifted({ user, name, ...maps })),
          as(user, configured(args)),
          ...(autostart ? [userContainerStarted(name, user)] : []),
          whenUserContainerRunning(name, { owner: user }, inside),
        ],
        [
          userContainerStopped(name, user),
          as(user, unapplied(configured(args))),
          ...ranges.map((each) => unapplied(each)),
          unapplied(system),
          directoryDoesNotExist(base),
        ],
      ),
    ];
  },
});

/** The lines that let `user` use the numbers outside of `maps`. */
const lines = (file: string, user: string, maps: readonly IdMap[]) =>
  maps.length === 0
    ? []
    : [containsLines(file, ...maps.map(([, outside, count]) => `${user}:${outside}:${count}`))];

/**
 * As `lxc.userContainerFor`, for a host of which only its name and `applications` are known.
 *
 * @example lxc.userContainer({ autostart: true }, "ana", "build.example.org", os.debianStable("bookworm", "amd64"), apt.installed("gcc"))
 */
export const userContainer = defproplist({
  name: "lxc.userContainer",
  args: object({ user: account(), name: lxcName(), container: propapp() }),
  call: (options: UserContainerOptions, user: string, name: string, ...applications: MaybePropApp[]) => ({
    user,
    name,
    container: userContainerFor(options, user, makeChildHost({ name }, ...applications)),
  }),
  desc: ({ user, name }) => `container ${name} of ${user}`,
  parts: ({ container }) => [container],
});
