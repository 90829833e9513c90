/** Makes volumes with all that is in them. What was there is lost. */
import { AbortedChange, type PosixTarget } from "consfigurator";
import { needsProgram } from "./_ownFile";
import { DEVICES, ownDevice, passphraseFor, unknown, VolumeOpening } from "./_volumeOpening";
import { contentsOf, minimumSize, placed, shownVolume, type Volume } from "./_volumes";

/** Of a logical volume that is not yet whole. */
export const UNFINISHED = "consfigurator.unfinished";

type Kind = Volume["kind"];

/** What makes a volume, and the package that has it. */
const TOOLS: Partial<Record<Kind, { readonly program: string; readonly package: string }>> = {
  ext4Filesystem: { program: "mkfs.ext4", package: "e2fsprogs" },
  fat32Filesystem: { program: "mkfs.vfat", package: "dosfstools" },
  luksContainer: { program: "cryptsetup", package: "cryptsetup-bin" },
  lvmLogicalVolume: { program: "lvcreate", package: "lvm2" },
};

const labelled = (option: string, { volumeLabel }: Volume): string[] =>
  volumeLabel === undefined ? [] : [option, volumeLabel];

const runs = (target: PosixTarget, ...command: string[]) => target.run(command, unknown(DEVICES));

/** How a volume of each kind is made on `device`. */
const making: Partial<
  Record<Kind, (target: PosixTarget, volume: Volume, device: string) => Promise<unknown>>
> = {
  ext4Filesystem: (target, volume, device) =>
    runs(target, "mkfs.ext4", "-q", "-F", ...labelled("-L", volume), device),
  fat32Filesystem: (target, volume, device) =>
    runs(target, "mkfs.vfat", "-F", "32", ...labelled("-n", volume), device),
  linuxSwap: (target, _volume, device) => runs(target, "mkswap", device),
  luksContainer: async (target, volume, device) => {
    const { luksType = "luks2", cryptsetupOptions = [], volumeLabel = "" } = volume;
    const label = luksType === "luks1" ? [] : ["--label", volumeLabel];
    const words = ["cryptsetup", "--batch-mode", "--type", luksType, ...label, ...cryptsetupOptions];
    await target.run([...words, "--key-file", "-", "luksFormat", device], {
      ...unknown(DEVICES),
      input: await passphraseFor(target, volume),
    });
  },
  lvmLogicalVolume: (target, volume) => {
    const { volumeGroup = "", volumeLabel = "", volumeSize } = volume;
    const size =
      volumeSize === "remaining" ? ["--extents", "100%FREE"] : ["--size", `${minimumSize(volume)}m`];
    const words = ["lvcreate", "--yes", "--wipesignatures", "y", "--addtag", UNFINISHED];
    return runs(target, ...words, ...size, "--name", volumeLabel, volumeGroup);
  },
};

/** Makes `volumes`, one after the other, and closes each that had to be opened. */
export async function createVolumes(target: PosixTarget, volumes: readonly Volume[]): Promise<void> {
  const kinds = new Set(placed(volumes).map(({ volume }) => volume.kind));
  for (const kind of kinds) await needsProgram(target, TOOLS[kind]);
  const opening = new VolumeOpening(target, "/");
  try {
    for (const volume of volumes) await create(target, opening, volume, ownDevice(volume));
  } catch (error) {
    await opening.close().catch(() => {});
    throw error;
  }
  await opening.close();
}

async function create(
  target: PosixTarget,
  opening: VolumeOpening,
  volume: Volume,
  on: string,
): Promise<void> {
  const make = making[volume.kind];
  if (!make) throw new AbortedChange(`${shownVolume(volume)} cannot be made on a device`);
  await make(target, volume, on);
  const contents = contentsOf(volume);
  if (contents.length === 0) return;
  const inside = await opening.deviceInside(volume, on);
  for (const each of contents) await create(target, opening, each, inside);
}
