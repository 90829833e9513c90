import { FailedChange } from "../model/errors";
import { object } from "../model/schema";
import { deftable } from "../model/table";
import type { PosixTarget } from "../model/target";
import { mountsIn } from "../target/mounts";
import { jsonOf } from "./_json";

interface Device {
  readonly name: string;
  readonly type: string;
  readonly size: number | string;
  readonly fstype?: string | null;
  readonly label?: string | null;
  readonly uuid?: string | null;
  readonly mountpoint?: string | null;
  readonly model?: string | null;
  readonly children?: readonly Device[];
}

/**
 * The block devices: disks, their partitions, and what is made of them. `on`: the device that each is a part of. What is in
 * them is known where there is lsblk(8).
 */
export const disks = deftable({
  name: "tables.disks",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    if (!(await target.hasCommand("lsblk"))) return ofKernel(target);
    const { stdout } = await target.query("lsblk -J -b -o NAME,TYPE,SIZE,FSTYPE,LABEL,UUID,MOUNTPOINT,MODEL");
    const rowsOf = (device: Device, on: string | null): ReturnType<typeof rowOf>[] => [
      rowOf(device, on),
      ...(device.children ?? []).flatMap((child) => rowsOf(child, device.name)),
    ];
    const { blockdevices } = jsonOf(stdout || '{"blockdevices":[]}', "lsblk") as {
      blockdevices: Device[];
    };
    return blockdevices.flatMap((device) => rowsOf(device, null));
  },
});

const rowOf = (device: Device, on: string | null) => ({
  name: device.name,
  on,
  type: device.type,
  sizeBytes: Number(device.size),
  fileSystem: device.fstype ?? null,
  label: device.label ?? null,
  uuid: device.uuid ?? null,
  place: device.mountpoint ?? null,
  model: device.model?.trim() || null,
});

/** As sysfs has them, without those that are empty. */
async function ofKernel(target: PosixTarget): Promise<ReturnType<typeof rowOf>[]> {
  const [{ stdout }, mountinfo] = await Promise.all([
    target.query(
      `cd /sys/class/block 2>/dev/null || exit 0
for n in *; do [ -e "$n/partition" ] && kind=part || kind=whole; echo "$kind $(readlink -f "$n") $(cat "$n/size" "$n/dev" 2>/dev/null | tr '\\n' ' ')$(cat "$n/device/model" 2>/dev/null)"; done`,
    ),
    target.readFile("/proc/self/mountinfo").catch(() => ""),
  ]);
  const places = new Map(
    mountsIn(mountinfo)
      .map(({ device, place }) => [device, place] as const)
      .reverse(),
  );
  if (stdout === "")
    throw new FailedChange("the host has neither lsblk(8) nor /sys/class/block, so its disks are not known");
  return stdout.split("\n").flatMap((line) => {
    const [, kind, parent = "", name, sectors, number = "", model = ""] =
      /^(\w+) \S*\/([^/\s]+)\/([^/\s]+) (\d+) (\d+:\d+) (.*)$/.exec(line) ?? [];
    if (name === undefined || Number(sectors) === 0) return [];
    const isPart = kind === "part";
    return [
      rowOf(
        {
          name,
          type: isPart
            ? "part"
            : (/^(loop|md|dm)/.exec(name)?.[1] ?? (name.startsWith("sr") ? "rom" : "disk")),
          size: Number(sectors) * SECTOR,
          mountpoint: places.get(number) ?? null,
          model,
        },
        isPart ? parent : null,
      ),
    ];
  });
}

/** sysfs counts in these, whatever the device has. */
const SECTOR = 512;
