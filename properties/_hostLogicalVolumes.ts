/** The logical volumes of a host. */
import { AbortedChange, defprop, type HostFacts, type PosixTarget, schema } from "consfigurator";
import { volumesOf } from "./_declaredVolumes";
import { needsRoot } from "./_needs";
import { crypttabEntries, fstabEntries } from "./_openedVolumes";
import * as os from "./_os";
import { needsProgram } from "./_ownFile";
import { CRYPTTAB, entriesIn, FSTAB } from "./_tableFile";
import { createVolumes, UNFINISHED } from "./_volumeCreation";
import { DEVICES, passphraseOf, unknown, VolumeOpening } from "./_volumeOpening";
import { contentsOf, mebibytes, placed, shownVolume, type Volume } from "./_volumes";

const PROPERTY = "disk.hostLogicalVolumesExist";
const fstab = entriesIn(FSTAB, PROPERTY);
const crypttab = entriesIn(CRYPTTAB, PROPERTY);

const logicalOf = (host: HostFacts): Volume[] =>
  volumesOf(host).filter(({ kind }) => kind === "lvmLogicalVolume");

const nameOf = ({ volumeGroup, volumeLabel }: Volume): string => `${volumeGroup}/${volumeLabel}`;

/** The logical volumes of the host, as VG/LV, and whether each is whole. */
async function present(target: PosixTarget): Promise<Map<string, boolean>> {
  const { stdout } = await target.query(
    ["lvs", "--noheadings", "--separator", "/", "--options", "vg_name,lv_name,lv_tags"],
    { about: { paths: [DEVICES] } },
  );
  const rows = stdout.split("\n").filter((line) => line.trim() !== "");
  return new Map(
    rows.map((line) => {
      const [group, name, tags = ""] = line.trim().split("/");
      return [`${group}/${name}`, !tags.split(",").includes(UNFINISHED)] as const;
    }),
  );
}

async function refuseImpossible(target: PosixTarget, missing: readonly Volume[]): Promise<void> {
  const { stdout } = await target.query(["vgs", "--noheadings", "--options", "vg_name"], {
    about: { paths: [DEVICES] },
  });
  const groups = stdout.split("\n").map((line) => line.trim());
  for (const volume of missing) {
    if (!groups.includes(volume.volumeGroup ?? ""))
      throw new AbortedChange(
        `there is no volume group ${volume.volumeGroup} for ${nameOf(volume)}; make it with vgcreate`,
      );
    const sizes = [volume, ...contentsOf(volume)].map(({ volumeSize }) => volumeSize);
    if (!sizes.some((size) => size === "remaining" || mebibytes(size) !== undefined))
      throw new AbortedChange(`${shownVolume(volume)} has no size; give it a volumeSize`);
  }
}

/** Removes what an interrupted run has left. */
async function removeUnfinished(target: PosixTarget, name: string): Promise<void> {
  await target.run(["umount", "--all-targets", `/dev/${name}`], { ...unknown(DEVICES), mayFail: true });
  await target.run(["lvremove", "--yes", name], unknown(DEVICES));
}

/**
 * Each logical volume of the host in `disk.hasVolumes`, before or after this property, is there. One that is missing is made with all
 * that is in it, activated, and opened; its file systems are mounted, and /etc/fstab and /etc/crypttab have entries for them. None
 * that is there is changed or removed, except one that an interrupted run has left. The volume groups must be there, and lvm2 installed.
 *
 * @example eseqprops(disk.hasVolumes(disk.lvmLogicalVolume({ volumeGroup: "vg_shop", volumeLabel: "lv_data", volumeSize: "20G" }, disk.ext4Filesystem({ mountPoint: "/srv/data" }))), disk.hostLogicalVolumesExist())
 */
export const hostLogicalVolumesExist = defprop({
  name: "disk.hostLogicalVolumesExist",
  kind: "posix",
  args: schema.object({}),
  call: () => ({}),
  desc: () => "logical volumes of the host",
  hostattrs: (_args, host) => {
    os.required(host, "linux");
    for (const { volume } of placed(logicalOf(host)))
      if (volume.kind === "luksContainer") host.requireData(...passphraseOf(volume));
  },
  check: async (_args, target) => {
    const declared = logicalOf(target.host);
    if (declared.length === 0) return true;
    await needsRoot(target, PROPERTY);
    if (!(await target.hasCommand("lvs"))) return false;
    const found = await present(target);
    return declared.every((each) => found.get(nameOf(each)) === true);
  },
  apply: async (_args, target) => {
    await needsRoot(target, PROPERTY);
    await needsProgram(target, { program: "lvs", package: "lvm2" });
    const found = await present(target);
    const missing = logicalOf(target.host).filter((each) => found.get(nameOf(each)) !== true);
    await refuseImpossible(target, missing);
    for (const each of missing) if (found.has(nameOf(each))) await removeUnfinished(target, nameOf(each));
    await createVolumes(target, missing);
    const opening = new VolumeOpening(target, "/");
    await opening.open(missing);
    const { opened } = opening;
    const [mounts, encrypted] = [await fstabEntries(target, opened), await crypttabEntries(target, opened)];
    if (encrypted.length > 0) await crypttab.apply({ entries: encrypted }, target);
    if (mounts.length > 0) await fstab.apply({ entries: mounts }, target);
    for (const each of missing)
      await target.run(["lvchange", "--deltag", UNFINISHED, nameOf(each)], unknown(DEVICES));
    return "changed";
  },
});
