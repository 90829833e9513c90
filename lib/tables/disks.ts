import { FailedChange } from "../model/errors";
import { object } from "../model/schema";
import { deftable } from "../model/table";
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

/** The block devices: disks, their partitions, and what is made of them. `on`: the device that each is a part of. */
export const disks = deftable({
  name: "tables.disks",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    if (!(await target.hasCommand("lsblk")))
      throw new FailedChange("the host has no lsblk(8); install util-linux there");
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
