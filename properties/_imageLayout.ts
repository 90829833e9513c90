/** Where what is on a disk lies. Pure. */
import { createHash } from "node:crypto";
import { contentsOf, isFilesystem, mebibytes, minimumSize, type Volume } from "./_volumes";

export const SECTOR = 512;
const PER_MEBIBYTE = (1024 * 1024) / SECTOR;

/** A partition, or what is on a whole disk, in sectors. */
export interface Extent {
  readonly start: number;
  readonly sectors: number;
  /** What is in it, such as a file system. */
  readonly contents: Volume | undefined;
  readonly uuid: string;
}

export interface ImageLayout {
  readonly sectors: number;
  readonly extents: readonly Extent[];
  /** The input of sfdisk(8); undefined without a partition table. */
  readonly table: string | undefined;
}

/** sgdisk's numbers of types, as GPT names them. */
const TYPES: Readonly<Record<number, string>> = {
  1792: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
  33280: "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
  33536: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
  33540: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
  33545: "CA7D7CCB-63ED-4C53-861C-1742536059CC",
  36352: "E6D6D379-F507-44C2-A23C-238F2A3DF928",
  61184: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
  61186: "21686148-6449-6E6F-744E-656564454649",
  64768: "A19D880F-05FC-4D3B-A006-743F0F84911E",
};

/** The number of a type unless the partition has one: what is in it says what it is. */
function typecodeOf({ partitionTypecode, volumeContents }: Volume): number | string {
  const kind = (volumeContents as Volume | undefined)?.kind;
  return partitionTypecode ?? (kind === "linuxSwap" ? 0x8200 : kind === "fat32Filesystem" ? 0x0700 : 0x8300);
}

/** What sfdisk(8) calls the type of a partition; undefined when nobody knows the number. */
export function partitionType(partition: Volume, table: "gpt" | "msdos"): string | undefined {
  const code = typecodeOf(partition);
  if (table === "msdos") return typeof code === "number" ? (code >> 8).toString(16) : undefined;
  return typeof code === "string" ? code.toUpperCase() : TYPES[code];
}

/** The same UUID for the same words each time: an image that is built again is the same. */
export function uuidOf(...words: string[]): string {
  const digits = createHash("sha256").update(words.join("\n")).digest("hex");
  const variant = ((Number.parseInt(digits[16] ?? "0", 16) & 3) | 8).toString(16);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `4${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join("-");
}

/** Where everything in `image` lies. `sizes`: the MiB of file systems that have none of their own. */
export function layoutOf(image: Volume, sizes: ReadonlyMap<Volume, number>): ImageLayout {
  const seed = image.imageFile ?? image.deviceFile ?? "";
  const [inside] = contentsOf(image);
  const own = mebibytes(image.volumeSize);
  if (inside?.kind !== "partitionedVolume") {
    const sectors = (own ?? (inside ? sized(inside, sizes) : 1)) * PER_MEBIBYTE;
    const extents = inside ? [{ start: 0, sectors, contents: inside, uuid: uuidOf(seed, "0") }] : [];
    return { sectors, extents, table: undefined };
  }
  const { table = "gpt" } = inside;
  const end = own === undefined ? undefined : own * PER_MEBIBYTE - PER_MEBIBYTE;
  let next = PER_MEBIBYTE;
  const rows = contentsOf(inside).map((partition, index) => {
    const start = partition.partitionStartSector || next;
    const sectors =
      partition.partitionSectors ??
      (partition.volumeSize === "remaining" && end !== undefined
        ? end - start
        : sized(partition, sizes) * PER_MEBIBYTE);
    next = Math.ceil((start + sectors) / PER_MEBIBYTE) * PER_MEBIBYTE;
    const [contents] = contentsOf(partition);
    return { partition, extent: { start, sectors, contents, uuid: uuidOf(seed, String(index + 1)) } };
  });
  return {
    sectors: own === undefined ? next + PER_MEBIBYTE : own * PER_MEBIBYTE,
    extents: rows.map(({ extent }) => extent),
    table: [
      `label: ${table === "msdos" ? "dos" : "gpt"}`,
      `label-id: ${table === "msdos" ? `0x${uuidOf(seed).slice(0, 8)}` : uuidOf(seed)}`,
      ...(table === "gpt" ? ["first-lba: 34"] : []),
      ...rows.map(({ partition, extent }) => rowOf(partition, extent, table)),
      "",
    ].join("\n"),
  };
}

function rowOf(partition: Volume, { start, sectors, uuid }: Extent, table: "gpt" | "msdos"): string {
  const bootable = partition.partitionBootable === true;
  return [
    `start=${start}`,
    `size=${sectors}`,
    `type=${partitionType(partition, table)}`,
    ...(table === "gpt" ? [`uuid=${uuid}`] : []),
    ...(bootable ? [table === "gpt" ? 'attrs="LegacyBIOSBootable"' : "bootable"] : []),
  ].join(", ");
}

/** MiB of a volume: as declared, or what is in it needs. */
function sized(volume: Volume, sizes: ReadonlyMap<Volume, number>): number {
  const inside = contentsOf(volume).reduce((sum, each) => sum + sized(each, sizes), 0);
  return Math.max(sizes.get(volume) ?? 0, minimumSize(volume), inside);
}

/** What cannot be built as a file, or whose size is not known. */
export function imageComplaints(image: Volume): string[] {
  const [inside] = contentsOf(image);
  if (!inside) return ["the image has nothing in it; give it a partition table or a file system"];
  const table = inside.table ?? "gpt";
  const partitions = inside.kind === "partitionedVolume" ? contentsOf(inside) : [];
  const filled = inside.kind === "partitionedVolume" ? partitions.flatMap(contentsOf) : [inside];
  return [
    ...filled
      .filter(({ kind }) => !["ext4Filesystem", "fat32Filesystem", "linuxSwap"].includes(kind))
      .map(
        ({ kind }) =>
          `${kind} is not made in an image; there are ext4Filesystem, fat32Filesystem and linuxSwap`,
      ),
    ...filled
      .filter((each) => mebibytes(each.volumeSize) === undefined && !(isFilesystem(each) && each.mountPoint))
      .map(
        ({ kind }) => `${kind} has no size, and no mount point whose files have one; give it a volumeSize`,
      ),
    ...filled
      .filter(({ kind, volumeSize }) => kind === "fat32Filesystem" && (mebibytes(volumeSize) ?? 33) < 33)
      .map(() => "a FAT file system with 32 bits needs 33 MiB; raise its volumeSize"),
    ...partitions
      .filter((each) => partitionType(each, table) === undefined)
      .map(
        ({ partitionTypecode = 0 }) =>
          `the type ${typeof partitionTypecode === "number" ? `0x${partitionTypecode.toString(16)}` : partitionTypecode} is not known for a table of type ${table}; ${table === "gpt" ? "write it as a UUID" : "write it as a number"}`,
      ),
  ];
}
