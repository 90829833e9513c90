/** Systems in directories of a host, and what is deployed there. */
import {
  type Change,
  type ChildHost,
  childrenOf,
  defprop,
  defproplist,
  deploys as deploysHost,
  deploysThese as deploysTheseOn,
  type Host,
  type HostModel,
  type MaybePropApp,
  makeChildHost,
  type PosixTarget,
  type PropApp,
  schema,
  seqprops,
  type Visits,
  via,
} from "consfigurator";
import {
  type BootstrapOptions,
  bootstrap,
  bootstrapOptions,
  insideAt,
  insideOf,
  insides,
  isBootstrapped,
  usesMmdebstrap,
} from "./_bootstrap";
import { childOf } from "./_childOf";
import { unmountedBelowAndRemoved } from "./_mounts";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";
import { contained } from "./container";
import { installed as packagesInstalled } from "./packages";
import { withoutStartingServices } from "./service";

export type { BootstrapOptions } from "./_bootstrap";

const { object, propapp, string } = schema;

const rootPath = () =>
  string({ pattern: "^(/[^/\\u0000\\n]+)+$", description: "an absolute path without a slash at the end" });
const deploymentArgs = object({ root: rootPath(), deployment: propapp() });

/** What is applied inside: it does not start services, and knows that only its files are its own. */
const wrapped = (...applications: MaybePropApp[]): PropApp =>
  withoutStartingServices(contained("filesystem"), ...applications);

/** The schema says what is wrong with `root`, in the name of the property. */
const hopTo = (root: string) => via.chroot(/^\/[^\n]*$/.test(root) ? root : "/");

const whole = (root: string, host: Host | ChildHost, additional: readonly MaybePropApp[]): PropApp =>
  deploysHost(childOf(host, wrapped(seqprops(...host.applications), ...additional)), hopTo(root));

/**
 * `host` is deployed into the directory `root`, in which there must be a Debian system, as with `deploys` through `via.chroot`: its
 * properties, and then `additional`, are applied in there. It is a host inside this one, and has its name unless it has one
 * of its own. No service is started: see `service.withoutStartingServices`.
 *
 * @example chroot.deploys("/srv/build", makeChildHost({}, os.debianStable("bookworm", "amd64"), apt.installed("gcc")))
 */
export const deploys = defproplist({
  name: "chroot.deploys",
  args: deploymentArgs,
  call: (root: string, host: Host | ChildHost, ...additional: MaybePropApp[]) => ({
    root,
    deployment: whole(root, host, additional),
  }),
  desc: ({ root }) => `deployed into ${root}`,
  parts: ({ deployment }) => [deployment],
});

/**
 * As `chroot.deploys`, but only `applications` are applied in there; the facts are those of `host`, or of a host with that
 * name and no others.
 *
 * @example chroot.deploysThese("/srv/build", "build.example.org", os.debianStable("bookworm", "amd64"), apt.upgraded())
 */
export const deploysThese = defproplist({
  name: "chroot.deploysThese",
  args: deploymentArgs,
  call: (root: string, host: Host | ChildHost | string, ...applications: MaybePropApp[]) => ({
    root,
    deployment:
      typeof host === "string"
        ? deploysHost(makeChildHost({ name: host }, wrapped(...applications)), hopTo(root))
        : deploysTheseOn(childOf(host, ...host.applications), hopTo(root), wrapped(...applications)),
  }),
  desc: ({ root }) => `deployed into ${root}`,
  parts: ({ deployment }) => [deployment],
});

const bootstrapped = defprop({
  name: "chroot._bootstrapped",
  kind: "posix",
  args: object({ root: rootPath(), options: bootstrapOptions() }),
  desc: ({ root }) => `a system in ${root}`,
  check: ({ root }, target) => isBootstrapped(target, root),
  apply: async ({ root, options }, target): Promise<Change> => {
    await needsRoot(target, "chroot.osBootstrapped");
    return bootstrap(target, root, options as BootstrapOptions);
  },
});

/** The tools for the system in `root`. */
function toolsFor(host: HostModel, root: string, options: BootstrapOptions): PropApp[] {
  const own = os.of(host);
  const { value } = insideAt(host, root);
  const isForeign = own !== undefined && os.supportsArch(own, value) === false;
  if (!os.runs(host, "debianlike")) return [packagesInstalled({ apt: "debootstrap" })];
  return [
    aptInstalled(usesMmdebstrap(host, options) ? "mmdebstrap" : "debootstrap"),
    ...(isForeign ? [aptInstalled("qemu-user-static")] : []),
  ];
}

const bootstrapArgs = object({ root: rootPath(), options: bootstrapOptions(), deployment: propapp() });

/** What makes the system, deploys into it, and removes it. */
const bootstrapping = (property: string) => ({
  args: bootstrapArgs,
  desc: ({ root }: Bootstrap) => `a system in ${root}, deployed`,
  hostattrs: ({ root, deployment }: Bootstrap, host: HostModel, visits: Visits) => {
    const copy = host.copy();
    const before = new Set(childrenOf(copy));
    visits.visit(deployment, copy);
    const child = childrenOf(copy).find((each) => !before.has(each));
    if (child) host.push(insides, insideOf(root, child));
  },
  parts: ({ root, options, deployment }: Bootstrap, host: HostModel) => [
    needed(seqprops(...toolsFor(host, root, options as BootstrapOptions))),
    bootstrapped({ root, options }),
    deployment,
  ],
  unapply: async ({ root }: Bootstrap, target: PosixTarget) => {
    await needsRoot(target, property);
    return unmountedBelowAndRemoved(target, root);
  },
});
type Bootstrap = schema.Infer<typeof bootstrapArgs>;

const given = (options: BootstrapOptions | null): Record<string, never> =>
  Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as Record<
    string,
    never
  >;

/**
 * There is a Debian system in the directory `root`, of the release and the architecture that `host` declares, and `host` and
 * `additional` are deployed into it, as by `chroot.deploys`. Where there is none, mmdebstrap makes it, or debootstrap for
 * `options` that only that one has; both are installed when they are needed, and so is qemu-user-static for another
 * architecture. What an interrupted run has left is removed first; a directory with anything else in it is refused. Mirrors
 * and proxy are those that `host` declares, such as with `apt.usesParentMirrors`.
 *
 * `options` are `aptProxy`, `aptMirror`, and the long options of debootstrap, such as `include` and `variant`. They count when
 * the system is made, and not later. Unapplying it unmounts what is mounted below `root`, and removes it; a mount point is
 * emptied instead.
 *
 * @example chroot.osBootstrappedFor({ variant: "minbase" }, "/srv/build", makeChildHost({}, os.debianStable("bookworm", "amd64"), apt.installed("gcc")))
 */
export const osBootstrappedFor = defproplist({
  name: "chroot.osBootstrappedFor",
  ...bootstrapping("chroot.osBootstrappedFor"),
  call: (
    options: BootstrapOptions | null,
    root: string,
    host: Host | ChildHost,
    ...additional: MaybePropApp[]
  ) => ({ root, options: given(options), deployment: whole(root, host, additional) }),
});

/**
 * As `chroot.osBootstrappedFor`, for a host of which only `applications` are known.
 *
 * @example chroot.osBootstrapped({ variant: "minbase" }, "/srv/build", os.debianStable("bookworm", "amd64"), apt.usesParentMirrors(), apt.installed("gcc"))
 */
export const osBootstrapped = defproplist({
  name: "chroot.osBootstrapped",
  ...bootstrapping("chroot.osBootstrapped"),
  call: (options: BootstrapOptions | null, root: string, ...applications: MaybePropApp[]) => ({
    root,
    options: given(options),
    deployment: whole(root, makeChildHost({}, ...applications), []),
  }),
});
