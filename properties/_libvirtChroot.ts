/** Virtual machines whose root file system is a directory of the host. */
import {
  type ChildHost,
  defproplist,
  type Host,
  type HostModel,
  InapplicableProperty,
  type MaybePropApp,
  makeChildHost,
  onChange,
  type PropApp,
  schema,
  unapplied,
  withFlagfile,
  withUnapply,
} from "consfigurator";
import type { BootstrapOptions } from "./_bootstrap";
import { childOf } from "./_childOf";
import { domainName } from "./_libvirtDomains";
import { definedFor, destroyed, installed, started } from "./_libvirtMachines";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";
import { osBootstrappedFor } from "./chroot";
import { single } from "./cmd";
import { containsLines, doesNotExist } from "./file";
import { restarted, running } from "./service";

const { boolean, integer, line, list, object, optional, propapp } = schema;

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
