/** The /etc/fstab of a system in an image. */
import type { PosixTarget } from "consfigurator";
import { entryFrom } from "./_fstabVolumes";
import type { Extent, ImageLayout } from "./_imageLayout";
import { updatedTable } from "./_table";
import { isFilesystem, plainPath } from "./_volumes";

/** What debootstrap leaves there. */
const UNCONFIGURED = "# UNCONFIGURED FSTAB FOR BASE SYSTEM";

/** The content for an image with `layout` of the /etc/fstab in `directory`; undefined where there is none. */
export async function fstabFor(
  target: PosixTarget,
  layout: ImageLayout,
  directory: string,
): Promise<string | undefined> {
  const file = `${directory}/etc/fstab`;
  if ((await target.lstat(file))?.type !== "file") return undefined;
  const lines = (await target.readLines(file)).filter((line) => line !== UNCONFIGURED);
  const entries = layout.extents.flatMap((extent) => entryFor(extent, layout) ?? []);
  return updatedTable(lines, entries, { source: 0, target: 1 })
    .map((line) => `${line}\n`)
    .join("");
}

function entryFor({ contents: volume, uuid }: Extent, { table }: ImageLayout): string | undefined {
  if (volume?.kind === "linuxSwap") return `UUID=${uuid} none swap sw 0 0`;
  if (!volume || !isFilesystem(volume) || volume.mountPoint === undefined) return undefined;
  const path = plainPath(volume.mountPoint);
  if (volume.kind === "ext4Filesystem") return entryFrom(`UUID=${uuid}`, { volume, path });
  const serial = `${uuid.slice(0, 4)}-${uuid.slice(4, 8)}`.toUpperCase();
  const isNamed = table?.startsWith("label: gpt") === true;
  return entryFrom(isNamed ? `PARTUUID=${uuid}` : `UUID=${serial}`, { volume, path });
}
