/** Images of disks, built from directories. */
import {
  AbortedChange,
  attribute,
  type ChildHost,
  childrenOf,
  defprop,
  defproplist,
  type Host,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { cacheCleaned } from "./_aptLists";
import { installed } from "./_aptPackages";
import { bootloadersOf } from "./_bootloaders";
import type { BootstrapOptions } from "./_bootstrap";
import { refuseLayout, volume, volumesOf } from "./_declaredVolumes";
import { buildImage, stateOf } from "./_imageBuild";
import { imageComplaints } from "./_imageLayout";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram } from "./_ownFile";
import { parentOf } from "./_paths";
import { placed, type Volume } from "./_volumes";
import { osBootstrappedFor } from "./chroot";

const { list, object, propapp, string } = schema;

const plainPathOf = () =>
  string({
    pattern: "^(/[^/\\u0000\\n:,\\\\]+)+$",
    description: "an absolute path without a slash at the end, and without : , and \\",
  });
const imageFields = { directory: plainPathOf(), image: volume() };
const imageArgs = object(imageFields);

/** The programs for each kind, and the packages that have them. */
const tools = (image: Volume) => {
  const kinds = new Set(placed([image]).map(({ volume }) => volume.kind));
  return [
    ...(kinds.has("partitionedVolume") ? [{ program: "sfdisk", package: "fdisk" }] : []),
    ...(kinds.has("ext4Filesystem") ? [{ program: "mke2fs", package: "e2fsprogs" }] : []),
    ...(kinds.has("fat32Filesystem")
      ? [
          { program: "mkfs.vfat", package: "dosfstools" },
          { program: "mcopy", package: "mtools" },
        ]
      : []),
  ];
};

/** Of what the image was built, beside it. */
const stateFile = ({ imageFile }: Volume): string => `${imageFile}.source`;

const lines = () => list(string());

const built = defprop({
  name: "disk._imageBuilt",
  kind: "posix",
  args: object({ ...imageFields, boot: list(object({ staged: lines(), written: lines() })) }),
  desc: ({ directory, image }) => `${image.imageFile} built from ${directory}`,
  check: async (source, target) => {
    const { image } = source;
    const [found, noted] = await Promise.all([
      target.lstat(image.imageFile ?? ""),
      target.readLines(stateFile(image)),
    ]);
    if (found?.type !== "file" || noted.length === 0) return false;
    return `${noted.join("\n")}\n` === (await stateOf(target, source));
  },
  apply: async (source, target) => {
    const { directory, image } = source;
    await needsRoot(target, "disk.imageBuiltFrom");
    for (const each of tools(image)) await needsProgram(target, each);
    await refuseOther(target, directory, image);
    const state = await stateOf(target, source);
    return withCreatedNoted(target, image.imageFile ?? "", async () => {
      await target.makeDirectory(parentOf(image.imageFile ?? ""));
      await buildImage(target, source);
      await target.writeFile(stateFile(image), state);
      return "changed";
    });
  },
  unapply: async ({ image }, target) => {
    await needsRoot(target, "disk.imageBuiltFrom");
    return withCreatedRemoved(target, image.imageFile ?? "", async () => {
      const changes = [await target.remove(image.imageFile ?? ""), await target.remove(stateFile(image))];
      return changes.includes("changed") ? "changed" : "unchanged";
    });
  },
});

async function refuseOther(
  target: PosixTarget,
  directory: string,
  { imageFile = "" }: Volume,
): Promise<void> {
  const [tree, found] = await Promise.all([target.stat(directory), target.lstat(imageFile)]);
  if (tree?.type !== "directory")
    throw new AbortedChange(`${directory} is no directory; put what makes it before this property`);
  if (found && found.type !== "file")
    throw new AbortedChange(`${imageFile} is there, and is no file; name another one for the image`);
}

/**
 * The file of `image`, a `disk.rawDiskImage`, is a disk with its partitions and file systems, and has the files of `directory`: each
 * file system those below its mount point. It is built anew when they or the volumes have changed, and then has its name when it
 * is complete; only root can read it. No device is used, and nothing is left mounted. What has no size gets one by its files, and `extraSpace`. UUIDs
 * and times are the same each time. If `directory` has an /etc/fstab, that in the image has an entry for each of the volumes.
 *
 * ext4, FAT and swap space can be made, in a GPT, in an MSDOS table, or without a table. GRUB can be put into it with
 * `bootsWith`: the system must have its programs, and a kernel. The programs for the rest are installed on Debian. Unapplying
 * it deletes the image. Refused in a directory that others than root can write to.
 *
 * @example disk.imageBuiltFrom("/srv/chroot/web", disk.rawDiskImage({ imageFile: "/srv/web.img" }, disk.partitionedVolume({}, [disk.partition({ partitionTypecode: 0xef00 }, disk.fat32Filesystem({ volumeSize: "64M", mountPoint: "/boot/efi" })), disk.partition({}, disk.ext4Filesystem({ mountPoint: "/", extraSpace: 400 }))])))
 */
export const imageBuiltFrom = defproplist({
  name: "disk.imageBuiltFrom",
  args: imageArgs,
  call: (directory: string, image: Volume) => ({ directory, image }),
  desc: ({ directory, image }) => `${image.imageFile} has the files of ${directory}`,
  hostattrs: ({ directory, image }, host) => {
    os.required(host, "linux");
    refuseImage(directory, image);
  },
  parts: ({ directory, image }, host) => {
    const boot = bootloadersOf([image])
      .flatMap(({ definition, options }) => definition.inImage?.(options) ?? [])
      .map(({ staged, written }) => ({ staged: [...staged], written: [...written] }));
    const packages = [...new Set(tools(image).map((each) => each.package))];
    return [
      os.runs(host, "debianlike") && packages.length > 0 && needed(installed(...packages)),
      built({ directory, image, boot }),
    ];
  },
});

function refuseImage(directory: string, image: Volume): void {
  if (image.kind !== "rawDiskImage")
    throw new InapplicableProperty(`a ${image.kind} is no file; give it a disk.rawDiskImage`);
  refuseLayout([image]);
  const complaints = imageComplaints(image);
  for (const { definition } of bootloadersOf([image]))
    if (!definition.inImage)
      complaints.push(`${definition.name} cannot be put into an image; remove it from bootsWith`);
  if (image.imageFile?.startsWith(`${directory}/`))
    complaints.push(`the image would have itself in it; put it outside of ${directory}`);
  if (complaints.length > 0) throw new InapplicableProperty([...new Set(complaints)].join("\n"));
}

const images = attribute<Volume>("disk/images");

/** The first disk of `child` that has contents, as a file. */
function imageOf(child: HostFacts | undefined, imageFile: string): Volume {
  const disk =
    child &&
    volumesOf(child).find((each) => each.kind === "physicalDisk" && each.volumeContents !== undefined);
  if (!disk)
    throw new InapplicableProperty(
      `no disk of ${child?.name ?? "the host in the image"} has contents; put disk.hasVolumes with a partition table into it`,
    );
  const { deviceFile: _none, ...rest } = disk;
  return { ...rest, kind: "rawDiskImage", imageFile };
}

/** Where the files of the system are from which an image is built. */
const chrootOf = (imageFile: string): string => `${imageFile}.chroot`;

/**
 * The file `imageFile` is a disk from which `host` boots: its first disk with contents in `disk.hasVolumes`, with the files of a system
 * into which `host` is deployed, in `imageFile`.chroot, as by `chroot.osBootstrappedFor` with `options`. It is built anew when the
 * system or the volumes have changed, as by `disk.imageBuiltFrom`. The boot loaders that the disk names are put into it; the host
 * must have their programs, such as by `installer.bootloaderBinariesInstalled`, and a kernel. Unapplying it deletes both.
 *
 * @example disk.rawImageBuiltFor({ variant: "minbase" }, makeChildHost({ name: "web9" }, os.debianStable("bookworm", "amd64"), disk.hasVolumes(disk.physicalDisk({ bootsWith: grub.grub() }, disk.partitionedVolume({}, [disk.partition({ partitionTypecode: 0xef02, volumeSize: 1 }), disk.partition({}, disk.ext4Filesystem({ mountPoint: "/", extraSpace: 500 }))]))), apt.installed("linux-image-amd64"), installer.bootloaderBinariesInstalled()), "/srv/web9.img")
 */
export const rawImageBuiltFor = defproplist({
  name: "disk.rawImageBuiltFor",
  args: object({ imageFile: plainPathOf(), deployment: propapp() }),
  call: (options: BootstrapOptions | null, host: Host | ChildHost, imageFile: string) => ({
    imageFile,
    deployment: osBootstrappedFor(options, chrootOf(imageFile), host, cacheCleaned()),
  }),
  desc: ({ imageFile }) => `image ${imageFile} of a host`,
  hostattrs: ({ imageFile, deployment }, host, visits) => {
    const copy = host.copy();
    const before = new Set(childrenOf(copy));
    visits.visit(deployment, copy);
    const image = imageOf(
      childrenOf(copy).find((each) => !before.has(each)),
      imageFile,
    );
    refuseImage(chrootOf(imageFile), image);
    host.push(images, image);
  },
  parts: ({ imageFile, deployment }, host) => {
    const image = host.all(images).find((each) => each.imageFile === imageFile);
    return [deployment, image && imageBuiltFrom(chrootOf(imageFile), image)];
  },
});
