/** Virtual machines, by libvirt(8) and QEMU. */
import {
  type Change,
  type ChildHost,
  defprop,
  defproplist,
  type Host,
  type HostModel,
  InapplicableProperty,
  type MaybePropApp,
  makeChildHost,
  onChange,
  type PosixTarget,
  type PropApp,
  schema,
  unapplied,
  untilFailure,
  withFlagfile,
  withoutEmpty,
  withUnapply,
} from "consfigurator";
import type { BootstrapOptions } from "./_bootstrap";
import { childOf } from "./_childOf";
import { define, isDefined, isRunning, undefine, virsh } from "./_libvirtDomains";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";
import { osBootstrappedFor } from "./chroot";
import { single } from "./cmd";
import { containsLines, doesNotExist } from "./file";
import { isInhibited, restarted, running } from "./service";

const { boolean, integer, line, list, object, optional, propapp, string } = schema;

const domainName = () =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    maxLength: 100,
    description: "the name of a virtual machine",
  });

/** A host, or its name, which is that of the virtual machine. */
type Named = Pick<Host, "name"> | string;
const nameOf = (host: Named): string => (typeof host === "string" ? host : host.name);
const named = object({ name: domainName() });
const byName = (host: Named) => ({ name: nameOf(host) });

/** The first release of Debian whose virtiofsd is a package of its own. */
const withoutVirtiofsd = ["bullseye", "bookworm", "oldstable", "oldoldstable"];

/**
 * libvirt is installed, with QEMU, virsh(1) and virt-install(1).
 *
 * @example libvirt.installed()
 */
export const installed = defproplist({
  name: "libvirt.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "libvirt installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: (_args, host) => {
    const value = os.of(host);
    const suite = value && os.isA(value, "debian") ? os.debianSuite(value) : "";
    return [
      aptInstalled(
        ...["libvirt-clients", "virtinst", "libvirt-daemon", "libvirt-daemon-system"],
        ...(withoutVirtiofsd.includes(suite) ? [] : ["virtiofsd"]),
      ),
    ];
  },
});

/**
 * The network "default" of libvirt runs. Does nothing where services are inhibited.
 *
 * @example libvirt.defaultNetworkStarted()
 */
export const defaultNetworkStarted = defprop({
  name: "libvirt.defaultNetworkStarted",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "default network of libvirt started",
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (_args, target) => {
    if (isInhibited(target)) return "unchanged";
    const { stdout } = await target.query(["virsh", "net-list", "--name"], { about: { units: true } });
    return stdout.split("\n").some((each) => each.trim() === "default")
      ? "unchanged"
      : virsh(target, "net-start", "default");
  },
});

const AUTOSTARTED = "/etc/libvirt/qemu/networks/autostart/default.xml";

const networkAutostarts = defprop({
  name: "libvirt._networkAutostarts",
  kind: "posix",
  args: object({}),
  desc: () => "default network of libvirt starts at boot",
  apply: async (_args, target) =>
    (await target.lstat(AUTOSTARTED)) === undefined ? virsh(target, "net-autostart", "default") : "unchanged",
  unapply: async (_args, target) =>
    (await target.lstat(AUTOSTARTED)) === undefined
      ? "unchanged"
      : virsh(target, "net-autostart", "default", "--disable"),
});

/**
 * The network "default" of libvirt runs, and does so after each boot. Unapplying it leaves it running.
 *
 * @example libvirt.defaultNetworkAutostarted()
 */
export const defaultNetworkAutostarted = defproplist({
  name: "libvirt.defaultNetworkAutostarted",
  args: object({}),
  call: () => ({}),
  desc: () => "default network of libvirt, also after each boot",
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: () => [networkAutostarts({}), needed(defaultNetworkStarted())],
});

/**
 * libvirt has the virtual machine that is called as `host`, as virt-install(1) makes it with `words`. It is defined anew when they
 * have changed: one that runs goes on as it is until it is started again. Unapplying it removes the definition, but no disk; one
 * that runs goes on until it is shut down.
 *
 * @example libvirt.definedFor("guest.example.org", "--memory=2048", "--disk=path=/var/lib/libvirt/images/guest.img", "--import")
 */
export const definedFor = defprop({
  name: "libvirt.definedFor",
  kind: "posix",
  args: object({
    name: domainName(),
    words: list(
      string({
        pattern: "^-[^\\n]*$",
        description: 'an option of virt-install with its value, such as "--memory=2048"',
      }),
    ),
  }),
  call: (host: Named, ...words: string[]) => ({ ...byName(host), words }),
  desc: ({ name }) => `virtual machine ${name} defined`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name, words }, target) => {
    await needsRoot(target, "libvirt.definedFor");
    const all = withOsinfo(words);
    return (await isDefined(target, name, all)) ? "unchanged" : define(target, name, all);
  },
  unapply: async ({ name }, target) => {
    await needsRoot(target, "libvirt.definedFor");
    return undefine(target, name);
  },
});

/** virt-install insists on knowing the system, unless it is told not to. */
const withOsinfo = (words: readonly string[]): string[] =>
  words.some((word) => /^--(osinfo|os-variant)\b/.test(word))
    ? [...words]
    : ["--osinfo=detect=on,require=off", ...words];

/**
 * The virtual machine that is called as `host` runs. There must be one: see `libvirt.definedFor`. Does nothing where services are
 * inhibited.
 *
 * @example libvirt.started("guest.example.org")
 */
export const started = defprop({
  name: "libvirt.started",
  kind: "posix",
  args: named,
  call: byName,
  desc: ({ name }) => `virtual machine ${name} started`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name }, target) =>
    isInhibited(target) || (await isRunning(target, name)) ? "unchanged" : virsh(target, "start", name),
});

/**
 * The virtual machine that is called as `host` does not run. It is turned off as by pulling its plug.
 *
 * @example libvirt.destroyed("guest.example.org")
 */
export const destroyed = defprop({
  name: "libvirt.destroyed",
  kind: "posix",
  args: named,
  call: byName,
  desc: ({ name }) => `virtual machine ${name} turned off`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name }, target) =>
    (await isRunning(target, name)) ? virsh(target, "destroy", name) : "unchanged",
});

/**
 * Applies each of `applications` in order while the virtual machine that is called as `host` runs, and nothing otherwise. The
 * first failure stops the rest. Unapplying unapplies them, while it runs.
 *
 * @example libvirt.whenStarted("guest.example.org", file.hasContent("/run/guest-runs", "yes"))
 */
export const whenStarted = defprop({
  name: "libvirt.whenStarted",
  kind: "posix",
  args: object({ name: domainName(), applications: list(propapp()) }),
  call: (host: Named, ...applications: MaybePropApp[]) => ({
    ...byName(host),
    applications: withoutEmpty(applications),
  }),
  desc: ({ name }) => `while the virtual machine ${name} runs`,
  hostattrs: ({ applications }, _host, visits) => {
    for (const application of applications) visits.visit(application);
  },
  apply: ({ name, applications }, target, steps) =>
    whileRunning(name, target, () => untilFailure(applications, "apply", steps)),
  unapply: ({ name, applications }, target, steps) =>
    whileRunning(name, target, () => untilFailure(applications.toReversed(), "unapply", steps)),
  unappliable: ({ applications }, each) => applications.every(each),
});

const whileRunning = async (
  name: string,
  target: PosixTarget,
  act: () => Promise<Change> | ReturnType<typeof untilFailure>,
): Promise<Awaited<ReturnType<typeof untilFailure>>> =>
  !isInhibited(target) && (await isRunning(target, name)) ? act() : "unchanged";

/** What is known of a virtual machine that boots the system in a directory. */
export interface KvmOptions {
  /** Default: 1. */
  readonly vcpus?: number;
  /** Mebibytes. Default: 1024. */
  readonly memory?: number;
  /** True: it is started, and after each boot of the host. */
  readonly autostart?: boolean;
  /** Further options of virt-install. */
  readonly virtOptions?: readonly string[];
  /** For `chroot.osBootstrappedFor`. */
  readonly chrootOptions?: BootstrapOptions;
  /**
   * True: the host is deployed into the directory each time, not only when it is made. Only for those who trust the virtual machine: its
   * root can change what root of the host works with.
   */
  readonly alwaysDeploys?: boolean;
  /** The kernel and the initramfs: below the directory unless they are absolute. Default: "vmlinuz" and "initrd.img". */
  readonly kernel?: string;
  readonly initrd?: string;
  /** What is added to the command line of the kernel. */
  readonly append?: string;
}

const kvmArgs = object({
  name: domainName(),
  vcpus: optional(integer({ minimum: 1 })),
  memory: optional(integer({ minimum: 64 })),
  autostart: optional(boolean()),
  virtOptions: optional(list(line())),
  alwaysDeploys: optional(boolean()),
  kernel: optional(line()),
  initrd: optional(line()),
  append: optional(line()),
  system: propapp(),
});

const IMAGES = "/var/lib/libvirt/images";

/** Words of virt-install for a virtual machine whose root file system is a directory of the host. */
export function chrootWords(
  root: string,
  {
    vcpus = 1,
    memory = 1024,
    kernel = "vmlinuz",
    initrd = "initrd.img",
    ...more
  }: Omit<KvmOptions, "chrootOptions">,
): string[] {
  const { append, autostart, virtOptions = [] } = more;
  const below = (path: string) => (path.startsWith("/") ? path : `${root}/${path}`);
  const line = `root=rootfs rootfstype=virtiofs rw${append === undefined ? "" : ` ${append}`}`;
  return [
    `--vcpus=${vcpus}`,
    `--memory=${memory}`,
    `--filesystem=type=mount,accessmode=passthrough,driver.type=virtiofs,source.dir=${root},target.dir=rootfs`,
    `--boot=kernel=${below(kernel)},initrd=${below(initrd)},kernel_args="${line}"`,
    "--memorybacking=access.mode=shared",
    ...(autostart ? ["--autostart"] : []),
    ...virtOptions,
  ];
}

/** What an initramfs needs to mount a directory of the host. */
const virtiofsInInitramfs = (): PropApp[] => [
  aptInstalled("initramfs-tools"),
  onChange(containsLines("/etc/initramfs-tools/modules", "virtiofs"), single("update-initramfs -u")),
];

/**
 * A virtual machine that is called as `host` boots the system in /var/lib/libvirt/images/NAME, in which `host` and `additional` are
 * deployed when it is made, as by `chroot.osBootstrappedFor`: its root file system is that directory, over virtiofs. `host` must have a kernel,
 * such as by apt.installed("linux-image-amd64"), and must not be called as the host around it. libvirt is installed. With
 * `autostart` it is started. Deploy to it over ssh later, in `libvirt.whenStarted`. Unapplying it turns it off, and removes it with the
 * directory.
 *
 * @example libvirt.kvmBootsChrootFor({ memory: 2048, autostart: true }, makeChildHost({ name: "guest.example.org" }, os.debianStable("bookworm", "amd64"), apt.installed("linux-image-amd64")))
 */
export const kvmBootsChrootFor = defproplist({
  name: "libvirt.kvmBootsChrootFor",
  args: kvmArgs,
  call: (
    { chrootOptions = {}, ...options }: KvmOptions,
    host: Host | ChildHost,
    ...additional: MaybePropApp[]
  ) => {
    // The schema says that a name is missing.
    const name = host.name as string;
    return {
      ...(options as object),
      name,
      system: osBootstrappedFor(
        chrootOptions,
        `${IMAGES}/${name}`,
        childOf(host, ...host.applications, ...additional, ...virtiofsInInitramfs()),
      ),
    };
  },
  desc: ({ name }) => `virtual machine ${name}`,
  hostattrs: ({ name }, host: HostModel) => {
    os.required(host, "debianlike");
    if (host.name === name)
      throw new InapplicableProperty(`the virtual machine ${name} must not be called as the host`);
  },
  parts: ({ system, ...args }) => {
    const { name, alwaysDeploys, autostart } = args;
    const root = `${IMAGES}/${name}`;
    const flag = `${root}.bootstrapped`;
    const defined = definedFor(name, ...chrootWords(root, args as KvmOptions));
    return [
      withUnapply(
        [
          installed(),
          onChange(
            containsLines("/etc/libvirt/qemu.conf", 'memory_backing_dir = "/dev/shm"'),
            restarted("libvirtd"),
          ),
          alwaysDeploys ? system : withFlagfile(flag, system),
          defined,
          ...(autostart ? [running("libvirtd"), started(name)] : []),
        ],
        [destroyed(name), unapplied(defined), unapplied(system), doesNotExist(flag)],
      ),
    ];
  },
});

/**
 * As `libvirt.kvmBootsChrootFor`, for a host of which only its name and `applications` are known.
 *
 * @example libvirt.kvmBootsChroot({ memory: 2048 }, "guest.example.org", os.debianStable("bookworm", "amd64"), apt.installed("linux-image-amd64"))
 */
export const kvmBootsChroot = defproplist({
  name: "libvirt.kvmBootsChroot",
  args: object({ name: domainName(), machine: propapp() }),
  call: (options: KvmOptions, name: string, ...applications: MaybePropApp[]) => ({
    name,
    machine: kvmBootsChrootFor(options, makeChildHost({ name }, ...applications)),
  }),
  desc: ({ name }) => `virtual machine ${name}`,
  parts: ({ machine }) => [machine],
});
