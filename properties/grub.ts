/** The boot loader GRUB, as Debian arranges it. */
import {
  type Change,
  defprop,
  defproplist,
  InapplicableProperty,
  onChange,
  type PosixTarget,
  schema,
} from "consfigurator";
import { defbootloader } from "./_bootloaders";
import { grubInImage } from "./_grubInImage";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram, ownFile } from "./_ownFile";
import { runForBoot, updateGrub, updateInitramfs } from "./_updateGrub";
import { contentsOf, placed, plainPath, type Volume } from "./_volumes";
import { installed } from "./apt";
import { isContained } from "./container";

const { boolean, object, oneOf, record, string } = schema;

const packageFor = {
  "i386-pc": "grub-pc",
  "x86_64-efi": "grub-efi-amd64",
  "arm64-efi": "grub-efi-arm64",
} as const;
/** What starts it where the firmware checks signatures. */
const signedFor = {
  "i386-pc": [],
  "x86_64-efi": ["grub-efi-amd64-signed", "shim-signed"],
  "arm64-efi": ["grub-efi-arm64-signed", "shim-signed"],
} as const;
/** What GRUB is started by: a BIOS, or UEFI. */
export type GrubTarget = keyof typeof packageFor;
const targets = Object.keys(packageFor) as GrubTarget[];

/** Options of GRUB on a disk. */
export interface GrubOptions {
  /** Default: "i386-pc", for a BIOS. */
  readonly target?: GrubTarget;
  /** True: also where UEFI looks when it knows of no system, as on a disk that is moved to another machine. */
  readonly forceExtraRemovable?: boolean;
}

/** What GRUB on the disk reads is the menu in /boot/grub, and the modules beside it, which must be of its own version. */
const STAGED = [
  "mkdir -p $NEW/boot/grub",
  'for d in /boot/grub/*-*/; do if [ -d "$d" ]; then cp -a "${d%/}" $NEW/boot/grub/; fi; done',
  "cat >$NEW/boot/grub/grub.cfg <<END",
  "set timeout=3",
  'menuentry "Debian" {',
  "  search --no-floppy --fs-uuid --set=root $ROOT_UUID",
  "  linux $KERNEL root=UUID=$ROOT_UUID ro $ARGUMENTS",
  "  initrd $INITRD",
  "}",
  "END",
  "chmod 600 $NEW/boot/grub/grub.cfg",
];

const isEfi = (target: GrubTarget): boolean => target.endsWith("-efi");

/**
 * GRUB boots from a disk: a value for `bootsWith`.
 *
 * @example disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sda", bootsWith: grub.grub({ target: "x86_64-efi" }) }))
 */
export const grub = ({ target = "i386-pc", forceExtraRemovable = false }: GrubOptions = {}) => {
  if (!targets.includes(target))
    throw new InapplicableProperty(
      `grub.grub: there is no target ${target}; there are ${targets.join(", ")}`,
    );
  return onDisk({ target, forceExtraRemovable });
};

const onDisk = defbootloader<Required<GrubOptions>>({
  name: "grub.grub",
  binaries: ({ target }) => installed("initramfs-tools", packageFor[target]),
  // Debian's packages exclude each other.
  variant: ({ target }) => target,
  install: (deviceFile, options) => grubInstalled(deviceFile, options),
  inImage: ({ target }) => grubInImage(target),
  inPlace: ({ target }) => ({
    firmware: isEfi(target) ? "uefi" : "bios",
    packages: ["initramfs-tools", packageFor[target], ...signedFor[target]],
    staged: STAGED,
  }),
  complaints: (volume, { target }) => [
    ...complaintsOf(volume, target),
    ...(volume.kind === "rawDiskImage" ? imageComplaints(volume, target) : []),
  ],
});

/** What GRUB needs on a disk with a partition table. */
function complaintsOf(disk: Volume, target: GrubTarget): string[] {
  const [tables] = contentsOf(disk);
  if (tables?.kind !== "partitionedVolume") return [];
  const codes = contentsOf(tables).map(({ partitionTypecode = 0x8300 }) => partitionTypecode);
  const has = (code: number, guid: string) =>
    codes.some((each) => each === code || String(each).toUpperCase() === guid);
  const name = disk.deviceFile ?? disk.imageFile ?? disk.kind;
  if (isEfi(target) && !has(0xef00, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"))
    return [
      `${name}: GRUB for ${target} needs an EFI system partition; give one the partitionTypecode 0xef00`,
    ];
  if (!isEfi(target) && tables.table !== "msdos" && !has(0xef02, "21686148-6449-6E6F-744E-656564454649"))
    return [
      `${name}: GRUB for ${target} needs a BIOS boot partition in a GPT; add disk.partition({ partitionTypecode: 0xef02, volumeSize: 1 })`,
    ];
  return [];
}

/** What GRUB needs in an image that is built as a file. */
function imageComplaints(image: Volume, target: GrubTarget): string[] {
  const filesystems = placed([image]).filter(({ volume }) => volume.mountPoint !== undefined);
  const kindAt = (...paths: string[]) =>
    filesystems.find(({ volume }) => paths.includes(plainPath(volume.mountPoint ?? "")))?.volume.kind;
  const say = (text: string) => `${image.imageFile}: ${text}`;
  return [
    ...(kindAt("/") === "ext4Filesystem" ? [] : [say("GRUB needs an ext4 file system that is mounted at /")]),
    ...(kindAt("/boot") === undefined
      ? []
      : [say("GRUB cannot be put into an image with a file system of its own at /boot; leave that out")]),
    ...(!isEfi(target) || kindAt("/boot/efi", "/efi") === "fat32Filesystem"
      ? []
      : [say(`GRUB for ${target} needs a FAT file system that is mounted at /boot/efi`)]),
  ];
}

const deviceFile = () => string({ pattern: "^/dev/[^\\s]+$", description: 'a device, such as "/dev/sda"' });

/**
 * GRUB is installed on the disk `deviceFile`, with a new initramfs and a new menu. For a BIOS unless `target` is that of a UEFI, with
 * which it is entered into the machine's list of systems, but not while a system is built in a container. It is installed
 * each time, so use it in `onChange`, or by `installer.bootloadersInstalled`. Its packages must be installed.
 *
 * @example onChange(apt.installed("grub-pc"), grub.grubInstalled("/dev/sda"))
 * @example grub.grubInstalled("/dev/sda", { target: "x86_64-efi", forceExtraRemovable: true })
 */
export const grubInstalled = defprop({
  name: "grub.grubInstalled",
  kind: "posix",
  args: object({ deviceFile: deviceFile(), target: oneOf(...targets), forceExtraRemovable: boolean() }),
  call: (deviceFile: string, { target = "i386-pc", forceExtraRemovable = false }: GrubOptions = {}) => ({
    deviceFile,
    target,
    forceExtraRemovable,
  }),
  desc: ({ deviceFile, target }) => `GRUB for ${target} on ${deviceFile}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: async ({ deviceFile, target: platform, forceExtraRemovable }, target) => {
    await needsRoot(target, "grub.grubInstalled");
    await needsProgram(target, { program: "update-initramfs", package: "initramfs-tools" });
    await needsProgram(target, { program: "grub-install", package: packageFor[platform] });
    const isOwn = isContained(target.host, "efiNvram");
    await updateInitramfs(target);
    await updateGrub(target);
    await runForBoot(target, [
      "grub-install",
      `--target=${platform}`,
      ...(isEfi(platform) && !isOwn ? ["--no-nvram"] : []),
      ...(forceExtraRemovable ? ["--force-extra-removable"] : []),
      deviceFile,
    ]);
    return "changed";
  },
});

const settingsFile = defprop({
  name: "grub._settings",
  ...ownFile({ needs: { program: "update-grub", package: "grub2-common" } }),
});

const menuMade = defprop({
  name: "grub._menuMade",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "menu of GRUB made anew",
  apply: (_args, target) => makeMenu(target),
  unapply: (_args, target) => makeMenu(target),
});

async function makeMenu(target: PosixTarget): Promise<Change> {
  await needsRoot(target, "grub.configured");
  await updateGrub(target);
  return "changed";
}

/** As one word of the shell, in which what begins with $ is replaced. */
const quoted = (value: string): string => `"${value.replace(/["`\\]/g, "\\$&")}"`;

/**
 * GRUB has these `settings`, such as GRUB_TIMEOUT: in a file of its own in /etc/default/grub.d, after those of /etc/default/grub. In a
 * value, `$GRUB_CMDLINE_LINUX_DEFAULT` and the like stand for what was set before. The menu is made anew when they change. A
 * host has one such property. GRUB must be installed. Unapplying it removes the file, and makes the menu anew.
 *
 * @example grub.configured({ GRUB_TIMEOUT: "1", GRUB_CMDLINE_LINUX: "$GRUB_CMDLINE_LINUX console=ttyS0" })
 */
export const configured = defproplist({
  name: "grub.configured",
  args: object({
    settings: record(string({ pattern: "^[^\\n\\r]*$", description: "a value on one line" }), {
      propertyNames: { pattern: "^GRUB_[A-Z0-9_]+$" },
      minProperties: 1,
    }),
  }),
  call: (settings: Readonly<Record<string, string>>) => ({ settings: { ...settings } }),
  desc: ({ settings }) =>
    `GRUB with ${Object.entries(settings)
      .map(([key, value]) => `${key}=${value}`)
      .join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ settings }) => {
    const text = Object.entries(settings)
      .map(([key, value]) => `${key}=${quoted(value)}\n`)
      .join("");
    const path = "/etc/default/grub.d/90-consfigurator.cfg";
    return [onChange(settingsFile({ path, text, property: "grub.configured" }), menuMade())];
  },
});
