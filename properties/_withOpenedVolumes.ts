import {
  type Change,
  defprop,
  InapplicableProperty,
  type MaybePropApp,
  type PosixTarget,
  type Steps,
  schema,
  untilFailure,
  withoutEmpty,
} from "consfigurator";
import { refuseLayout, volume } from "./_declaredVolumes";
import { needsRoot } from "./_needs";
import { openedHere } from "./_openedVolumes";
import * as os from "./_os";
import { passphraseOf, VolumeOpening } from "./_volumeOpening";
import { placed, shownVolume, type Volume } from "./_volumes";

const { absolutePath, boolean, list, object, propapp } = schema;

const args = object({
  volumes: list(volume(), { minItems: 1 }),
  mountBelow: absolutePath(),
  leaveOpen: boolean(),
  applications: list(propapp()),
});
type Args = schema.Infer<typeof args>;

/** Where volumes are mounted, and whether they stay so. */
export interface OpeningOptions {
  /** The directory below which file systems are mounted at their mount points. Default: "/". */
  readonly mountBelow?: string;
  /** True: they are not closed. */
  readonly leaveOpen?: boolean;
}

/**
 * Applies each of `applications` in order while `volumes` are open: disk images are attached, encrypted volumes decrypted with the
 * prerequisite data ("--luks-passphrase", label), or as `luksPassphraseIden1` says, logical volumes activated, and file systems
 * mounted, each at its mount point below `mountBelow`. Then all is closed again, also after a failure, unless `leaveOpen` is true.
 * What was open before is used as it is, and stays open. The first failure stops the rest.
 *
 * `fstab.hasEntriesForOpenedVolumes` and `crypttab.hasEntriesForOpenedVolumes` know the volumes, also in `chroot.deploys`, where the mount points
 * are those that are seen in there. Needs root, and on the host lvm2 or cryptsetup for such volumes. Unapplying it opens them to
 * unapply the others.
 *
 * @example disk.withOpenedVolumes(disk.volumes(disk.physicalDisk({ deviceFile: "/dev/sdb" }, disk.ext4Filesystem({ mountPoint: "/" }))), { mountBelow: "/mnt" }, file.hasContent("/mnt/etc/motd", "Hello\n"))
 */
export const withOpenedVolumes = defprop({
  name: "disk.withOpenedVolumes",
  kind: "posix",
  args,
  call: (
    volumes: readonly Volume[],
    { mountBelow = "/", leaveOpen = false }: OpeningOptions,
    ...applications: MaybePropApp[]
  ) => ({ volumes: [...volumes], mountBelow, leaveOpen, applications: withoutEmpty(applications) }),
  desc: ({ volumes }) => `with ${volumes.map(shownVolume).join(", ")} open`,
  hostattrs: ({ volumes, applications }, host, visits) => {
    os.required(host, "linux");
    refuseLayout(volumes);
    for (const { volume } of placed(volumes)) {
      if (volume.kind === "luksContainer") host.requireData(...passphraseOf(volume));
      if (volume.kind.startsWith("mounted"))
        throw new InapplicableProperty(
          `${shownVolume(volume)} is mounted already; leave it out, or name the kind without "mounted"`,
        );
    }
    for (const application of applications) visits.visit(application);
  },
  apply: (given, target, steps) => opening(given, target, steps, "apply"),
  unapply: (given, target, steps) => opening(given, target, steps, "unapply"),
  unappliable: ({ applications }, each) => applications.every(each),
});

async function opening(
  { volumes, mountBelow, leaveOpen, applications }: Args,
  target: PosixTarget,
  steps: Steps,
  direction: "apply" | "unapply",
): Promise<Change> {
  await needsRoot(target, "disk.withOpenedVolumes");
  const opening = new VolumeOpening(target, mountBelow);
  await opening.open(volumes);
  const inside = steps.within({ target: (outer) => openedHere.within(outer, opening.opened) });
  const inOrder = direction === "apply" ? applications : applications.toReversed();
  let change: Change;
  try {
    change = await untilFailure(inOrder, direction, inside);
  } catch (error) {
    if (!leaveOpen) await opening.close().catch(() => {});
    throw error;
  }
  if (!leaveOpen) await opening.close();
  return change;
}
