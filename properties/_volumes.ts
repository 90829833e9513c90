/** Disks, what is on them, and what is in that, as plain data. */
import { InvalidArguments, schema } from "consfigurator";

const { either, integer, list, object, optional, problems, string } = schema;

/** A size in MiB, or with the unit M, G or T; "remaining": all that is left. */
export type VolumeSize = number | string;

/** What boots from a disk: the name of a boot loader, such as "grub.grub", and its options. */
export interface Bootloader {
  readonly bootloader: string;
  readonly options: Readonly<Record<string, unknown>>;
}

const size = () => ({
  ...either(integer({ minimum: 1 }), string({ pattern: "^([1-9][0-9]*[MGT]|remaining)$" })),
  description: 'a size in MiB, one such as "512M" or "20G", or "remaining"',
});
const deviceFile = () => string({ pattern: "^/dev/[^\\s]+$", description: 'a device, such as "/dev/sda"' });
const mountPoint = () =>
  string({
    pattern: "^/([^/\\s]+/?)*$",
    description: 'the absolute path of a mount point, such as "/boot/efi"',
  });
const lvmName = () =>
  string({ pattern: "^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$", description: 'a name for LVM, such as "vg_shop"' });
const label = (longest: number) =>
  string({ pattern: `^[^\\s/]{1,${longest}}$`, description: `a label of at most ${longest} characters` });
const bootsWith = (): schema.Schema<Bootloader | readonly Bootloader[]> => {
  const one = object({
    bootloader: string(),
    options: schema.record(schema.json()),
  }) as unknown as schema.Schema<Bootloader>;
  return { ...either(one, list(one)), description: "a boot loader, such as grub.grub()" };
};
const common = { volumeSize: optional(size()) };
const filesystem = {
  ...common,
  mountPoint: optional(mountPoint()),
  mountOptions: optional(list(string({ pattern: "^[^\\s,]+$", description: "an option of mount(8)" }))),
  /** In MiB, besides what the files need. */
  extraSpace: optional(integer({ minimum: 0 })),
};
const ext4 = { ...filesystem, volumeLabel: optional(label(16)) };
const fat32 = { ...filesystem, volumeLabel: optional(label(11)) };

/** The fields of each kind. */
export const volumeFields = {
  physicalDisk: object({ ...common, deviceFile: optional(deviceFile()), bootsWith: optional(bootsWith()) }),
  rawDiskImage: object({
    ...common,
    imageFile: schema.absolutePath(),
    bootsWith: optional(bootsWith()),
  }),
  partitionedVolume: object({ ...common, table: optional(schema.oneOf("gpt", "msdos")) }),
  partition: object({
    ...common,
    /** Such as 0xef00 for an EFI system partition; default: that of Linux. */
    partitionTypecode: optional(
      either(
        integer({ minimum: 1, maximum: 0xffff }),
        string({ pattern: "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$" }),
      ),
    ),
    partitionBootable: optional(schema.boolean()),
    partitionStartSector: optional(integer({ minimum: 0 })),
    partitionSectors: optional(integer({ minimum: 1 })),
  }),
  lvmPhysicalVolume: object({
    ...common,
    volumeGroup: lvmName(),
    dataAlignment: optional(string()),
    physicalExtentSize: optional(string()),
    alloc: optional(string()),
  }),
  lvmLogicalVolume: object({ ...common, volumeGroup: lvmName(), volumeLabel: lvmName() }),
  ext4Filesystem: object(ext4),
  fat32Filesystem: object(fat32),
  /** Mounted already: its UUID is looked up. */
  mountedExt4Filesystem: object(ext4),
  mountedFat32Filesystem: object(fat32),
  luksContainer: object({
    ...common,
    volumeLabel: lvmName(),
    luksPassphraseIden1: optional(string({ minLength: 1 })),
    luksType: optional(schema.oneOf("luks", "luks1", "luks2")),
    cryptsetupOptions: optional(list(string())),
    crypttabOptions: optional(list(string())),
    crypttabKeyfile: optional(schema.absolutePath()),
  }),
  linuxSwap: object({ ...common }),
};

export type VolumeKind = keyof typeof volumeFields;
export type VolumeFields<K extends VolumeKind> = schema.Infer<(typeof volumeFields)[K]>;

/** A volume of any kind. Which fields it has besides, its kind says. */
export interface Volume {
  readonly kind: VolumeKind;
  readonly volumeSize?: VolumeSize | undefined;
  readonly volumeLabel?: string | undefined;
  readonly volumeGroup?: string | undefined;
  readonly volumeContents?: Volume | readonly Volume[];
  readonly deviceFile?: string | undefined;
  readonly imageFile?: string | undefined;
  readonly bootsWith?: Bootloader | readonly Bootloader[] | undefined;
  readonly table?: "gpt" | "msdos" | undefined;
  readonly partitionTypecode?: number | string | undefined;
  readonly partitionBootable?: boolean | undefined;
  readonly partitionStartSector?: number | undefined;
  readonly partitionSectors?: number | undefined;
  readonly mountPoint?: string | undefined;
  readonly mountOptions?: readonly string[] | undefined;
  readonly extraSpace?: number | undefined;
  readonly luksPassphraseIden1?: string | undefined;
  readonly luksType?: "luks" | "luks1" | "luks2" | undefined;
  readonly cryptsetupOptions?: readonly string[] | undefined;
  readonly crypttabOptions?: readonly string[] | undefined;
  readonly crypttabKeyfile?: string | undefined;
  readonly dataAlignment?: string | undefined;
  readonly physicalExtentSize?: string | undefined;
  readonly alloc?: string | undefined;
}

const FILESYSTEMS: readonly VolumeKind[] = [
  "ext4Filesystem",
  "fat32Filesystem",
  "mountedExt4Filesystem",
  "mountedFat32Filesystem",
];
const ON_A_DEVICE: readonly VolumeKind[] = [
  ...FILESYSTEMS,
  "luksContainer",
  "lvmPhysicalVolume",
  "linuxSwap",
];

/** What may be in a volume of each kind. */
const mayContain: Readonly<Record<VolumeKind, readonly VolumeKind[]>> = {
  physicalDisk: ["partitionedVolume", ...ON_A_DEVICE],
  rawDiskImage: ["partitionedVolume", ...ON_A_DEVICE],
  partitionedVolume: ["partition"],
  partition: ON_A_DEVICE,
  lvmPhysicalVolume: [],
  lvmLogicalVolume: ON_A_DEVICE,
  luksContainer: ON_A_DEVICE,
  ext4Filesystem: [],
  fat32Filesystem: [],
  mountedExt4Filesystem: [],
  mountedFat32Filesystem: [],
  linuxSwap: [],
};

export const isFilesystem = ({ kind }: Volume): boolean => FILESYSTEMS.includes(kind);

/** What is directly in `volume`. */
export function contentsOf({ volumeContents }: Volume): readonly Volume[] {
  if (volumeContents === undefined) return [];
  return Array.isArray(volumeContents) ? volumeContents : [volumeContents as Volume];
}

/** Makes a volume; `maker` is the function that a consfig calls. */
export function madeVolume(
  kind: VolumeKind,
  fields: object,
  contents: Volume | readonly Volume[] | undefined,
  maker: Function,
): Volume {
  const complaints = problems(volumeFields[kind], fields, "fields");
  for (const each of contentsOf({ kind, ...(contents && { volumeContents: contents }) }))
    if (!mayContain[kind].includes(each?.kind))
      complaints.push(
        `${each?.kind ?? String(each)} cannot be in it; ${mayContain[kind].join(", ") || "nothing"} can`,
      );
  if (Array.isArray(contents) && kind !== "partitionedVolume")
    complaints.push("it has at most one thing in it, not a list");
  if (complaints.length === 0)
    return { kind, ...fields, ...(contents !== undefined && { volumeContents: contents }) };
  const error = new InvalidArguments(`disk.${kind}: ${complaints.join("; ")}`);
  Error.captureStackTrace(error, maker);
  throw error;
}

/** A volume, and what it is directly in. */
export interface Placed {
  readonly volume: Volume;
  readonly parent: Volume | undefined;
}

/** `volumes` and everything in them, each before what is in it. */
export const placed = (volumes: readonly Volume[], parent?: Volume): Placed[] =>
  volumes.flatMap((volume) => [{ volume, parent }, ...placed(contentsOf(volume), volume)]);

const UNITS = { M: 1, G: 1024, T: 1024 * 1024 } as const;

/** MiB of a size; undefined for none, and for all that remains. */
export function mebibytes(size: VolumeSize | undefined): number | undefined {
  if (size === undefined || size === "remaining") return undefined;
  return typeof size === "number"
    ? size
    : Number.parseInt(size, 10) * UNITS[size.at(-1) as keyof typeof UNITS];
}

/** What a volume needs besides its contents, in MiB: tables, headers and metadata. */
const OVERHEAD: Partial<Record<VolumeKind, number>> = {
  partitionedVolume: 2,
  luksContainer: 16,
  lvmPhysicalVolume: 4,
};

/** The least MiB that `volume` needs, by its own size and those of what is in it. */
export const minimumSize = (volume: Volume): number =>
  Math.max(mebibytes(volume.volumeSize) ?? 1, contentsSize(volume));

/** The least MiB that `volume` needs for what is in it. */
function contentsSize(volume: Volume): number {
  const sizes = contentsOf(volume).map(minimumSize);
  return sizes.reduce((sum, each) => sum + each, OVERHEAD[volume.kind] ?? 0);
}

/** What a reader knows a volume by. */
export const shownVolume = (volume: Volume): string => {
  const { kind, deviceFile, imageFile, mountPoint, volumeLabel, volumeGroup } = volume;
  const name =
    deviceFile ??
    imageFile ??
    mountPoint ??
    (volumeGroup && volumeLabel ? `${volumeGroup}/${volumeLabel}` : (volumeLabel ?? volumeGroup));
  return name === undefined ? kind : `${kind} ${name}`;
};

/** `path` without slashes at its end. */
export const plainPath = (path: string): string => path.replace(/(?<=.)\/+$/, "");

/** Everything that is wrong with the layout of `volumes`. */
export function layoutComplaints(volumes: readonly Volume[]): string[] {
  const all = placed(volumes);
  return [
    ...twice(all.map(({ volume }) => volume.deviceFile)).map(
      (name) => `${name} is there twice; give each disk one entry`,
    ),
    ...twice(all.map(({ volume }) => volume.mountPoint && plainPath(volume.mountPoint))).map(
      (path) => `two file systems are mounted at ${path}; correct one of the mount points`,
    ),
    ...twice(
      all
        .filter(({ volume }) => volume.kind === "lvmLogicalVolume")
        .map(({ volume }) => `${volume.volumeGroup}/${volume.volumeLabel}`),
    ).map((name) => `the logical volume ${name} is there twice; remove one`),
    ...all.flatMap(({ volume, parent }) => ownComplaints(volume, parent)),
  ];
}

const twice = (names: readonly (string | undefined)[]): string[] =>
  [...new Set(names.filter((name, at) => name !== undefined && names.indexOf(name) !== at))] as string[];

function ownComplaints(volume: Volume, parent: Volume | undefined): string[] {
  const { kind, volumeSize, bootsWith, partitionStartSector = 0, partitionSectors } = volume;
  const complaints: string[] = [];
  const say = (text: string) => complaints.push(`${shownVolume(volume)}: ${text}`);
  const isTop = ["physicalDisk", "rawDiskImage", "lvmLogicalVolume"].includes(kind);
  if (!isTop && parent === undefined && !kind.startsWith("mounted") && kind !== "partition")
    say("it is in no disk; put it into one");
  if (isTop && parent !== undefined) say("it cannot be in another volume");
  const own = mebibytes(volumeSize);
  const needed = contentsSize(volume);
  if (own !== undefined && own < needed)
    say(`its ${own} MiB are too few for what is in it, which needs ${needed}; raise volumeSize`);
  if (bootsWith !== undefined && parent !== undefined) say("only a whole disk has bootsWith");
  if (partitionSectors !== undefined && partitionStartSector === 0)
    say("partitionSectors needs a partitionStartSector, too");
  if (partitionSectors !== undefined && volumeSize !== undefined)
    say("it has both partitionSectors and volumeSize; remove one");
  const parts = contentsOf(volume);
  const early = parts.slice(0, -1).some((each) => remains(each));
  if (early) say('only the last partition can have the size "remaining"');
  if (volume.table === "msdos" && parts.length > 4) say("an MSDOS table has at most 4 partitions; use a GPT");
  return complaints;
}

const remains = (volume: Volume): boolean => volume.volumeSize === "remaining";
