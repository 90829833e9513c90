/** Opens volumes, and closes them again. What is open already is used as it is, and stays open. */
import { AbortedChange, type PosixTarget, type RunOptions, Secret, shellQuote } from "consfigurator";
import { findmnt } from "./_findmnt";
import { mountOptionsOf, typeOf } from "./_fstabVolumes";
import { endMount, MOUNTS } from "./_mounts";
import type { OpenedVolume } from "./_openedVolumes";
import { needsProgram } from "./_ownFile";
import { contentsOf, isFilesystem, placed, plainPath, shownVolume, type Volume } from "./_volumes";

/** What opens a volume, and the package that has it. */
const TOOLS: Partial<Record<Volume["kind"], { readonly program: string; readonly package: string }>> = {
  rawDiskImage: { program: "losetup", package: "mount" },
  luksContainer: { program: "cryptsetup", package: "cryptsetup-bin" },
  lvmLogicalVolume: { program: "lvchange", package: "lvm2" },
};

/** The datum with the passphrase of an encrypted volume. */
export const passphraseOf = ({ luksPassphraseIden1, volumeLabel = "" }: Volume): [string, string] => [
  luksPassphraseIden1 ?? "--luks-passphrase",
  volumeLabel,
];

/** The passphrase of `volume`, without the end of its line. */
export async function passphraseFor(target: PosixTarget, volume: Volume): Promise<Secret> {
  const [iden1, iden2] = passphraseOf(volume);
  const text = (await target.data(iden1, iden2))
    .reveal()
    .toString()
    .replace(/\r?\n$/, "");
  if (text !== "") return new Secret(text);
  throw new AbortedChange(`the data (${iden1}, ${iden2}) is empty; correct it where it comes from`);
}

/** For a plan: from then on it is not known what is at `paths`. */
export const unknown = (...paths: string[]): RunOptions => ({
  touches: { paths },
  predict: (model) => {
    model.mayChange({ paths });
    return undefined;
  },
});

export const DEVICES = "/dev";

/** A volume as a part of another, without what is in it. */
function alone({ volumeContents: _inside, ...volume }: Volume): Volume {
  return volume;
}

/** The device, or the file, of a volume that is in no other. */
export function ownDevice(volume: Volume): string {
  if (volume.kind === "lvmLogicalVolume") return `/dev/${volume.volumeGroup}/${volume.volumeLabel}`;
  const device = volume.deviceFile ?? volume.imageFile;
  if (device !== undefined) return device;
  throw new AbortedChange(`${shownVolume(volume)} has no deviceFile; give it one, such as "/dev/sda"`);
}

export class VolumeOpening {
  /** In the order in which they were opened. */
  readonly opened: OpenedVolume[] = [];
  readonly #closings: (() => Promise<unknown>)[] = [];
  /** The logical volumes that were active before. */
  #active: readonly string[] = [];

  constructor(
    private readonly target: PosixTarget,
    private readonly mountBelow: string,
  ) {}

  /** Opens `volumes` with all that is in them, and mounts the file systems that have a mount point. */
  async open(volumes: readonly Volume[]): Promise<void> {
    const kinds = new Set(placed(volumes).map(({ volume }) => volume.kind));
    for (const kind of kinds) await needsProgram(this.target, TOOLS[kind]);
    if (kinds.has("lvmLogicalVolume")) this.#active = await activeVolumes(this.target);
    try {
      for (const volume of volumes) await this.#open(volume, ownDevice(volume), undefined);
      const filesystems = this.opened.filter(({ volume }) => volume.mountPoint !== undefined);
      for (const each of filesystems.toSorted(byDepth)) await this.#mount(each);
    } catch (error) {
      // What went wrong first is what matters.
      await this.close().catch(() => {});
      throw error;
    }
  }

  /** Closes what was opened, in reverse, as far as that is possible. Throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closings.splice(0).toReversed())
      await close().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  async #open(volume: Volume, on: string, parent: Volume | undefined): Promise<void> {
    const inside = await this.deviceInside(volume, on);
    const device = volume.kind === "rawDiskImage" ? inside : on;
    const mountPoint = volume.mountPoint && isFilesystem(volume) && this.#below(volume.mountPoint);
    this.opened.push({
      volume: { ...alone(volume), ...(mountPoint && { mountPoint }) },
      ...(parent && { parent: alone(parent) }),
      device,
    });
    if (volume.kind !== "partitionedVolume")
      for (const each of contentsOf(volume)) await this.#open(each, inside, volume);
    else await this.#openPartitions(volume, device);
  }

  async #openPartitions(table: Volume, disk: string): Promise<void> {
    const partitions = contentsOf(table);
    const devices = await partitionsOf(this.target, disk);
    if (devices.length !== partitions.length)
      throw new AbortedChange(
        `${disk} has ${devices.length} partitions, and ${partitions.length} are declared; correct the volumes`,
      );
    for (const [at, each] of partitions.entries()) await this.#open(each, devices[at] ?? "", table);
  }

  /** Opens `volume`, which is on the device `on`, and returns the device on which is what is in it. */
  async deviceInside(volume: Volume, on: string): Promise<string> {
    if (volume.kind === "rawDiskImage") return this.#attach(on);
    if (volume.kind === "luksContainer") return this.#decrypt(volume, on);
    if (volume.kind === "lvmLogicalVolume") await this.#activate(volume);
    return on;
  }

  async #attach(imageFile: string): Promise<string> {
    const { stdout: present } = await this.target.query(
      ["losetup", "--list", "--noheadings", "--output", "NAME", "--associated", imageFile],
      { about: { paths: [imageFile, DEVICES] } },
    );
    // Two devices for one file would not know of each other's writes.
    const found = present.trim().split("\n")[0];
    if (found) return found;
    const { stdout } = await this.target.run(
      `losetup --show --find --partscan ${shellQuote(imageFile)} && { ! command -v udevadm >/dev/null || udevadm settle; }`,
      {
        ...unknown(DEVICES),
        predict: (model) => {
          model.mayChange({ paths: [DEVICES] });
          return { stdout: "/dev/loop\n" };
        },
      },
    );
    const device = stdout.trim();
    this.#closings.push(() => this.target.run(["losetup", "--detach", device], unknown(DEVICES)));
    return device;
  }

  async #decrypt(volume: Volume, on: string): Promise<string> {
    const { volumeLabel = "" } = volume;
    const device = `/dev/mapper/${volumeLabel}`;
    const { exit, stdout } = await this.target.query(["cryptsetup", "status", volumeLabel], {
      about: { paths: [device] },
      mayFail: true,
    });
    if (exit === 0) {
      const [, present = ""] = /^ *device: +(\S+)/m.exec(stdout) ?? [];
      if (await isSameDevice(this.target, present, on)) return device;
      throw new AbortedChange(`${device} is there already, and is on ${present}, not on ${on}`);
    }
    await this.target.run(["cryptsetup", "open", "--type", "luks", "--key-file", "-", on, volumeLabel], {
      ...unknown(DEVICES),
      input: await passphraseFor(this.target, volume),
    });
    this.#closings.push(() => this.target.run(["cryptsetup", "close", volumeLabel], unknown(DEVICES)));
    return device;
  }

  async #activate({ volumeGroup, volumeLabel }: Volume): Promise<void> {
    const name = `${volumeGroup}/${volumeLabel}`;
    if (this.#active.includes(name)) return;
    // udev may have done so by now; it is deactivated all the same.
    await this.target.run(["lvchange", "--activate", "y", name], unknown(DEVICES));
    this.#closings.push(() => this.target.run(["lvchange", "--activate", "n", name], unknown(DEVICES)));
  }

  #below(mountPoint: string): string {
    const [below, path] = [plainPath(this.mountBelow), plainPath(mountPoint)];
    return below === "/" ? path : path === "/" ? below : `${below}${path}`;
  }

  async #mount({ volume, device }: OpenedVolume): Promise<void> {
    const path = volume.mountPoint ?? "";
    const found = await findmnt(this.target, "--mountpoint", path, ["SOURCE"]);
    if (found) {
      if (await isSameDevice(this.target, found["SOURCE"] ?? "", device)) return;
      throw new AbortedChange(`${found["SOURCE"]} is mounted at ${path}, not ${device}; unmount it first`);
    }
    await this.target.makeDirectory(path);
    const options = mountOptionsOf(volume).join(",") || "defaults";
    const paths = [path, MOUNTS];
    await this.target.run(["mount", "-t", typeOf(volume), "-o", options, device, path], unknown(...paths));
    this.#closings.push(() => endMount(this.target, path, unknown(...paths)));
  }
}

/** What is mounted in another comes after it. */
function byDepth(one: OpenedVolume, other: OpenedVolume): number {
  const parts = ({ volume }: OpenedVolume) => (volume.mountPoint ?? "").split("/").filter(Boolean).length;
  return parts(one) - parts(other);
}

async function isSameDevice(target: PosixTarget, one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([target.realPath(one), target.realPath(other)]);
  return first !== undefined && first === second;
}

/** The partitions of `disk`, by their numbers. */
export async function partitionsOf(target: PosixTarget, disk: string): Promise<string[]> {
  const { stdout } = await target.query(
    `d=$(readlink -f ${shellQuote(disk)}) && d=\${d##*/} && for p in /sys/class/block/"$d"/"$d"*/partition; do
  if [ -e "$p" ]; then n=\${p%/partition}; echo "$(cat "$p") /dev/\${n##*/}"; fi
done | sort -n`,
    { about: { paths: [disk] } },
  );
  return stdout.split("\n").flatMap((line) => line.split(" ")[1] ?? []);
}

/** The logical volumes that are active, each as VG/LV. */
async function activeVolumes(target: PosixTarget): Promise<string[]> {
  const { stdout } = await target.query(
    ["lvs", "--noheadings", "--separator", "/", "--options", "vg_name,lv_name,lv_active"],
    { about: { paths: [DEVICES] } },
  );
  return stdout.split("\n").flatMap((line) => {
    const [group, name, state] = line.trim().split("/");
    return state === "active" ? [`${group}/${name}`] : [];
  });
}
