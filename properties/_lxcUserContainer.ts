/** Containers of users, with what they need. */
import {
  as,
  type ChildHost,
  defproplist,
  deploys,
  type Host,
  InapplicableProperty,
  type MaybePropApp,
  makeChildHost,
  schema,
  unapplied,
  via,
  withFlagfile,
  withUnapply,
} from "consfigurator";
import type { BootstrapOptions } from "./_bootstrap";
import { childOf } from "./_childOf";
import { lxcName } from "./_lxcCommand";
import { configArgs, configured, placeOf, shifted } from "./_lxcContainer";
import { type IdMap, mapsFrom, refuseOverlaps } from "./_lxcIds";
import { installed, userContainerStarted, userContainerStopped, whenUserContainerRunning } from "./_lxcState";
import * as os from "./_os";
import { osBootstrappedFor } from "./chroot";
import { containsLines, directoryDoesNotExist, directoryExists } from "./file";
import * as systemd from "./systemd";
import { hasAccount } from "./user";

const { account, object, propapp } = schema;

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
