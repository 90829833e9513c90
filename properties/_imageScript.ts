/** The script that builds an image of a disk. Pure. */
import { shellQuote } from "consfigurator";
import type { InImage } from "./_bootloaders";
import { type Extent, type ImageLayout, SECTOR } from "./_imageLayout";
import { contentsOf, isFilesystem, placed, plainPath, type Volume } from "./_volumes";

/** What an image is built from. */
export interface ImagePlan {
  readonly image: Volume;
  readonly layout: ImageLayout;
  readonly directory: string;
  readonly draft: string;
  readonly boot: readonly InImage[];
  /** Whether the file fstab is to be that of the system. */
  readonly hasFstab: boolean;
}

/** When the file systems are said to be made, whenever that is: an image that is built again is the same. */
export const MADE = String(Date.UTC(2020, 0) / 1000);

/** Where the files are while the image is built: an overlay, in which nothing is written to the directory itself. */
const TREE = "stage/tree";

/** The mount points in `image`, other than `/`. */
export const innerMountPoints = (image: Volume): string[] =>
  placed([image]).flatMap(({ volume: { mountPoint } }) =>
    mountPoint !== undefined && plainPath(mountPoint) !== "/" ? [plainPath(mountPoint)] : [],
  );

/**
 * Shell text that builds the draft. It runs with `-e` in a mount namespace, in a directory of its own in which the files fstab and
 * table are.
 */
export function imageScript(plan: ImagePlan): string {
  const { layout, directory, boot, hasFstab } = plan;
  const draft = shellQuote(plan.draft);
  return [
    `mkdir stage && mount -t tmpfs none stage && mkdir stage/upper stage/work stage/empty ${TREE}`,
    `mount -t overlay -o noatime,lowerdir=${shellQuote(directory)},upperdir="$PWD/stage/upper",workdir="$PWD/stage/work" none ${TREE}`,
    ...variables(plan),
    ...(hasFstab ? [`cat fstab >${TREE}/etc/fstab`] : []),
    ...boot.flatMap(({ staged }) => staged),
    `rm -f ${draft}`,
    // The keys and passwords of the system are in it.
    `(umask 077; truncate -s ${layout.sectors * SECTOR} ${draft})`,
    ...(layout.table === undefined ? [] : [`sfdisk --quiet --no-reread --no-tell-kernel ${draft} <table`]),
    ...deepestFirst(layout.extents).flatMap((extent) => filled(extent, plan)),
    ...boot.flatMap(({ written }) => written),
    "",
  ].join("\n");
}

/** What a boot loader needs to know: see `InImage`. */
function variables({ image, layout, draft }: ImagePlan): string[] {
  const at = (...paths: string[]) =>
    layout.extents.find(({ contents }) => paths.includes(plainPath(contents?.mountPoint ?? "")))?.contents;
  const root = layout.extents.find(({ contents }) => contents?.mountPoint === "/");
  const boot = biosBoot(image, layout);
  return [
    `TREE=${TREE} DRAFT=${shellQuote(draft)} ROOT_UUID=${root?.uuid ?? ""}`,
    `TABLE=${layout.table?.startsWith("label: dos") ? "msdos" : "gpt"}`,
    `ESP=${shellQuote(plainPath(at("/boot/efi", "/efi")?.mountPoint ?? ""))}`,
    `BIOS_BOOT=${boot.start} BIOS_BOOT_SECTORS=${boot.sectors}`,
  ];
}

/** The BIOS boot partition, or what lies between an MSDOS table and the first partition. */
function biosBoot(image: Volume, { extents }: ImageLayout): Pick<Extent, "start" | "sectors"> {
  const [inside] = contentsOf(image);
  const at = inside
    ? contentsOf(inside).findIndex(
        ({ partitionTypecode: code }) => code === 0xef02 || /^21686148-/.test(String(code)),
      )
    : -1;
  return extents[at] ?? { start: 1, sectors: (extents[0]?.start ?? 2048) - 1 };
}

/** What is mounted in another is filled before it, and then is not to be seen there. */
const deepestFirst = (extents: readonly Extent[]): Extent[] =>
  extents.toSorted((one, other) => depthOf(other) - depthOf(one));

const depthOf = ({ contents }: Extent): number =>
  plainPath(contents?.mountPoint ?? "")
    .split("/")
    .filter(Boolean).length;

function filled(extent: Extent, plan: ImagePlan): string[] {
  const { contents } = extent;
  if (contents?.kind === "linuxSwap") return swapMade(extent, plan);
  if (!contents || !isFilesystem(contents)) return [];
  const path = contents.mountPoint === undefined ? undefined : plainPath(contents.mountPoint);
  const from = path === undefined ? "stage/empty" : path === "/" ? TREE : `${TREE}${shellQuote(path)}`;
  const isInner = path !== undefined && path !== "/";
  return [
    ...(isInner ? [`mkdir -p ${from}`] : []),
    ...(contents.kind === "ext4Filesystem"
      ? ext4Made(contents, extent, plan, from)
      : fatMade(contents, extent, plan, from)),
    ...(isInner ? [`mount -t tmpfs -o mode=0755 none ${from}`] : []),
  ];
}

const swapMade = ({ start, sectors, uuid }: Extent, { draft }: ImagePlan): string[] => [
  `truncate -s ${sectors * SECTOR} swap && mkswap -q -U ${uuid} swap 2>/dev/null`,
  `dd if=swap of=${shellQuote(draft)} bs=4096 count=16 seek=${start * SECTOR} oflag=seek_bytes conv=notrunc status=none`,
  "rm swap",
];

/** The times of what lies over the directory are those of now: they are set afterwards. */
function ext4Made(volume: Volume, { start, sectors, uuid }: Extent, plan: ImagePlan, from: string): string[] {
  const draft = shellQuote(plan.draft);
  const label = volume.volumeLabel === undefined ? "" : ` -L ${shellQuote(volume.volumeLabel)}`;
  const offset = start * SECTOR;
  const path = plainPath(volume.mountPoint ?? "/");
  const inner = innerMountPoints(plan.image)
    .filter((each) => each !== path && (path === "/" || each.startsWith(`${path}/`)))
    .map((each) => shellQuote(each.slice(path === "/" ? 0 : path.length)));
  const upper = path === "/" ? "stage/upper" : `stage/upper${shellQuote(path)}`;
  return [
    `mke2fs -q -F -t ext4 -U ${uuid} -E offset=${offset},hash_seed=${uuid}${label} -d ${from} ${draft} ${sectors / 2}k`,
    ...swapFilled(path, `${draft}'?offset=${offset}'`),
    `{ if [ -d ${upper} ]; then (cd ${upper} && find . -printf '/%P\\n'); fi; printf '%s\\n' / ${inner.join(" ")}; } |`,
    "  while read -r each; do",
    `    for time in atime ctime mtime; do echo "set_inode_field \\"$each\\" $time @${MADE}"; done`,
    `  done | debugfs -w -f - ${draft}'?offset=${offset}' >/dev/null 2>&1`,
  ];
}

/** mke2fs leaves out blocks of zeros, but the kernel takes no swap file without all of its blocks. */
const swapFilled = (path: string, filesystem: string): string[] => {
  const below = path === "/" ? "" : shellQuote(path);
  return [
    `block=$(dumpe2fs -h ${filesystem} 2>/dev/null | sed -n 's/^Block size: *//p')`,
    `if [ -f ${TREE}/etc/fstab ]; then while read -r file _ type _; do`,
    `  case $file in ${below}/*) ;; *) continue;; esac`,
    `  [ "$type" = swap ] && [ -f "${TREE}$file" ] || continue`,
    `  last=$((($(stat -c %s "${TREE}$file") + block - 1) / block - 1))`,
    `  inside=\${file#${below}}`,
    `  debugfs -w -R "fallocate $inside 0 $last" ${filesystem} >/dev/null 2>&1`,
    `done <${TREE}/etc/fstab; fi`,
  ];
};

function fatMade(volume: Volume, { start, sectors, uuid }: Extent, plan: ImagePlan, from: string): string[] {
  const draft = shellQuote(plan.draft);
  const label = volume.volumeLabel === undefined ? "" : ` -n ${shellQuote(volume.volumeLabel)}`;
  // mkfs.vfat takes the size of the whole image for that.
  const mebibytes = sectors / 2048;
  const cluster = mebibytes < 260 ? 1 : mebibytes < 8192 ? 8 : mebibytes < 16384 ? 16 : 32;
  return [
    `mkfs.vfat -F 32 -s ${cluster} --invariant -i ${uuid.slice(0, 8)}${label} --offset ${start} ${draft} ${Math.floor(sectors / 2)} >/dev/null 2>mkfs.log || { cat mkfs.log >&2; exit 1; }`,
    `for each in ${from}/* ${from}/.[!.]*; do`,
    `  if [ -e "$each" ]; then mcopy -spmQ -i ${draft}@@${start * SECTOR} "$each" ::/; fi`,
    "done",
  ];
}
