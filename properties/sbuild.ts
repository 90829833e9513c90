/** Chroots in which Debian packages are built, by sbuild(1) through schroot. */
import {
  attribute,
  childrenOf,
  defprop,
  defproplist,
  deploys,
  eseqprops,
  type HostModel,
  type MaybePropApp,
  makeChildHost,
  type PropApp,
  schema,
  via,
  withoutEmpty,
} from "consfigurator";
import { type BootstrapOptions, bootstrapOptions, insideOf } from "./_bootstrap";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { installed as aptInstalled, autoremoved, standardSourcesList, updated, upgraded } from "./apt";
import { cacheForGroup, hasLimits } from "./ccache";
import { osBootstrappedFor } from "./chroot";
import { containsLines, existsWithContent, regexReplacedLines } from "./file";
import { atMost, type Period } from "./periodic";
import { areOverlaysUsed, installed as schrootInstalled } from "./schroot";
import { hasGroups } from "./user";

const { account, boolean, list, object, optional, propapp, string } = schema;

const CACHE = "/var/cache/ccache-sbuild";
const FSTAB = "/etc/schroot/sbuild/fstab";

/**
 * sbuild and what is used with it are installed: schroot, piuparts, autopkgtest and lintian.
 *
 * @example sbuild.installed()
 */
export const installed = defproplist({
  name: "sbuild.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "sbuild installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [schrootInstalled(), aptInstalled("piuparts", "autopkgtest", "lintian", "sbuild")],
});

/**
 * sbuild is installed, and the account `user` may use it.
 *
 * @example sbuild.usableBy("ana")
 */
export const usableBy = defproplist({
  name: "sbuild.usableBy",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  desc: ({ user }) => `${user} may use sbuild`,
  parts: ({ user }) => [needed(installed()), hasGroups(user, "sbuild")],
});

/** The release and the architecture of a chroot, by what is in it. */
interface Target {
  readonly suite: string;
  readonly arch: string;
}
/** Those of the chroots that are built, the newest first. */
const targets = attribute<Target>("sbuild/targets");

/** The limit that a new cache has: later it is left to the administrator. */
const firstLimits = defprop({
  name: "sbuild._firstLimits",
  kind: "posix",
  args: object({}),
  desc: () => `first limits of ${CACHE}`,
  inline: true,
  check: async (_args, target) => (await target.stat(CACHE)) !== undefined,
  apply: (_args, _target, steps) => steps.apply(hasLimits(CACHE, { maxSize: "2Gi" })),
});

const SETUP = `#!/bin/sh
# Commands in chroots of sbuild have their compilers' results kept.
export CCACHE_DIR=${CACHE}
export CCACHE_UMASK=002
export CCACHE_COMPRESS=1
unset CCACHE_HARDLINK
export PATH="/usr/lib/ccache:$PATH"
exec "$@"
`;

/** Sessions of a chroot are ended before it goes. */
const sessions = defprop({
  name: "sbuild._sessions",
  kind: "posix",
  args: object({ chroot: string() }),
  desc: ({ chroot }) => `sessions of ${chroot}`,
  inline: true,
  apply: async () => "unchanged",
  unapply: async ({ chroot }, target) => {
    await needsRoot(target, "sbuild.built");
    const listed = await target.query(["schroot", "--list", "--all-sessions"], { mayFail: true });
    const open = listed.stdout
      .split("\n")
      .map((line) => line.replace(/^session:/, ""))
      .filter((line) => line.startsWith(`${chroot}-`));
    for (const each of open) await target.run(["schroot", "--end-session", "--force", "-c", each]);
    return open.length > 0 ? "changed" : "unchanged";
  },
});

const builtArgs = object({
  useCcache: optional(boolean()),
  chrootOptions: optional(bootstrapOptions()),
  applications: list(propapp(), { minItems: 1 }),
  /** The same, for what is declared in it: the directory depends on that. */
  inside: propapp(),
});

/** Options of `sbuild.built`. */
export interface BuiltOptions {
  /** False: without ccache. */
  readonly useCcache?: boolean;
  /** As those of `chroot.osBootstrappedFor`. */
  readonly chrootOptions?: BootstrapOptions;
}

const childWith = (applications: readonly PropApp[]) =>
  makeChildHost({}, ...applications, aptInstalled("eatmydata", "ccache"));

/**
 * There is a chroot in which sbuild builds packages for the release and the architecture that `applications` declare, which
 * are applied in it: in /srv/chroot/`suite`-`arch`, for schroot `suite`-`arch`-sbuild. Made as by `chroot.osBootstrapped`,
 * with the variant "buildd". sbuild is installed. Compilers' results are kept in /var/cache/ccache-sbuild, up to 2 GiB unless
 * the administrator changes that, or not at all with `useCcache: false`. After `schroot.usesOverlays`, builds work in
 * overlays. That for unstable, of the architecture of the host, is also used for sid, experimental and UNRELEASED.
 *
 * For piuparts and autopkgtest, ~/.sbuildrc needs the options `--schroot %r-%a-sbuild --no-eatmydata` and `-- schroot
 * %r-%a-sbuild`. Unapplying it ends its sessions, and removes the chroot; the cache and sbuild stay.
 *
 * @example sbuild.built({}, os.debianUnstable("amd64"), sbuild.standardDebianSchroot(), apt.usesParentMirrors())
 */
export const built = defproplist({
  name: "sbuild.built",
  args: builtArgs,
  call: (options: BuiltOptions | null, ...applications: MaybePropApp[]) => ({
    ...(options?.useCcache !== undefined && { useCcache: options.useCcache }),
    ...(options?.chrootOptions && { chrootOptions: options.chrootOptions as Record<string, never> }),
    applications: withoutEmpty(applications),
    inside: deploys(childWith(withoutEmpty(applications)), via.chroot("/srv/chroot")),
  }),
  desc: () => "a chroot for sbuild",
  hostattrs: ({ inside }, host, visits) => {
    os.required(host, "debianlike");
    const copy = host.copy();
    const before = new Set(childrenOf(copy));
    visits.visit(inside, copy);
    const child = childrenOf(copy).find((each) => !before.has(each));
    if (!child) return;
    const { value } = insideOf("/srv/chroot", child);
    host.push(targets, { suite: os.debianSuite(value), arch: os.debianArchitectureString(value) });
  },
  parts: ({ useCcache = true, chrootOptions = {}, applications }, host) => {
    const target = host.newest(targets) ?? { suite: "", arch: "" };
    const name = `${target.suite}-${target.arch}`;
    const root = `/srv/chroot/${name}`;
    return [
      needed(
        eseqprops(
          installed(),
          // Debian bug 1110474: it hides the directory in which sbuild works.
          regexReplacedLines(FSTAB, /^\/var\/lib\/sbuild\/build\s+\/build\s/, "#$&"),
          ...(useCcache ? cacheParts() : []),
        ),
      ),
      osBootstrappedFor({ variant: "buildd", ...chrootOptions }, root, childWith(applications)),
      existsWithContent(`/etc/schroot/chroot.d/${name}-sbuild-consfigurator`, [
        `[${name}-sbuild]`,
        ...settings(host, target, useCcache).map(([key, value]) => `${key}=${value}`),
      ]),
      sessions({ chroot: `${name}-sbuild` }),
    ];
  },
});

const cacheParts = (): PropApp[] => [
  firstLimits({}),
  cacheForGroup("sbuild"),
  containsLines(FSTAB, `${CACHE} ${CACHE} none rw,bind 0 0`),
  existsWithContent(`${CACHE}/sbuild-setup`, SETUP, { mode: 0o755 }),
];

function settings(
  host: HostModel,
  { suite, arch }: Target,
  useCcache: boolean,
): [key: string, value: string][] {
  const own = os.of(host);
  const isOwnArch = own !== undefined && own.arch?.toLowerCase() === arch;
  return [
    ["description", `${suite}/${arch} autobuilder`],
    ["groups", "root,sbuild"],
    ["root-groups", "root,sbuild"],
    ["profile", "sbuild"],
    ["type", "directory"],
    ["directory", `/srv/chroot/${suite}-${arch}`],
    ...(areOverlaysUsed(host) ? [["union-type", "overlay"] as [string, string]] : []),
    ...(suite === "unstable" && isOwnArch
      ? [["aliases", `sid,rc-buggy,experimental,UNRELEASED,UNRELEASED-${arch}-sbuild`] as [string, string]]
      : []),
    ["command-prefix", useCcache ? `${CACHE}/sbuild-setup,eatmydata` : "eatmydata"],
  ];
}

/**
 * For `sbuild.built`: Debian's own sources, and once in `upgrade`, "weekly" unless given, all packages are upgraded, as
 * sbuild-update would do.
 *
 * @example sbuild.standardDebianSchroot({ upgrade: "daily" })
 */
export const standardDebianSchroot = defproplist({
  name: "sbuild.standardDebianSchroot",
  args: object({ upgrade: optional(string()) }),
  call: ({ upgrade }: { upgrade?: Period } = {}) => ({ ...(upgrade !== undefined && { upgrade }) }),
  desc: () => "a chroot of Debian, upgraded",
  hostattrs: (_args, host) => os.required(host, "debian"),
  parts: ({ upgrade = "weekly" }, host) => {
    const value = os.of(host);
    const shown = value ? `${os.debianSuite(value)}/${os.debianArchitectureString(value)}` : "Debian";
    return [
      standardSourcesList(),
      atMost(upgrade as Period, `${shown} chroot upgraded`, updated(), upgraded(), autoremoved()),
    ];
  },
});
