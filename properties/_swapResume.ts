/** Hibernation into a swap file. */
import {
  AbortedChange,
  type Change,
  defprop,
  defproplist,
  onChange,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { findmnt } from "./_findmnt";
import { isInhibited } from "./_inhibited";
import { isSwap } from "./_mounts";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram, refuseAnother } from "./_ownFile";
import { updateGrub, updateInitramfs } from "./_updateGrub";

const { absolutePath, object } = schema;

const resumeArgs = object({ swapFile: absolutePath() });

/** By its argument the kernel finds the image when the initramfs does not; the initramfs needs the other one, too. */
const GRUB = "/etc/default/grub.d/resume.cfg";
const INITRAMFS = "/etc/initramfs-tools/conf.d/resume";

/** Where on which device the swap file begins, as the kernel wants to be told. */
async function placeOf(target: PosixTarget, swapFile: string): Promise<{ uuid: string; offset: string }> {
  const found = await target.stat(swapFile);
  if (found?.type !== "file" || !(await isSwap(target, swapFile)))
    throw new AbortedChange(`${swapFile} is no swap file; put swap.hasSwapFile before this property`);
  await refuseSmaller(target, swapFile, found.size);
  const on = await findmnt(target, "--target", swapFile, ["FSTYPE", "UUID"]);
  const { FSTYPE: type = "", UUID: uuid = "" } = on ?? {};
  // On btrfs, an offset in a file system is none on the device.
  if (uuid === "" || type === "btrfs")
    throw new AbortedChange(
      `${swapFile} is on ${type || "a file system without a device"}, from which this property cannot resume; put it on one such as ext4`,
    );
  const { stdout } = await target.query(["sh", "-c", 'filefrag -v -b"$(getconf PAGESIZE)" "$0"', swapFile], {
    about: { paths: [swapFile] },
  });
  const [, offset] = /^ *0: +0\.\. *\d+: +(\d+)\.\./m.exec(stdout) ?? [];
  if (offset !== undefined) return { uuid, offset };
  throw new AbortedChange(`filefrag does not say where ${swapFile} begins: ${stdout.trim()}`);
}

/** What does not fit is only found out when the machine is to hibernate. */
async function refuseSmaller(target: PosixTarget, swapFile: string, bytes: number): Promise<void> {
  const line = (await target.readLines("/proc/meminfo")).find((each) => each.startsWith("MemTotal:"));
  const memory = Number(line?.split(/\s+/)[1]) * 1024;
  if (bytes >= memory) return;
  const shown = (count: number): string => `${Math.ceil(count / 1024 / 1024)} MiB`;
  throw new AbortedChange(
    `${swapFile} has ${shown(bytes)}, and the memory ${shown(memory)}; give swap.hasSwapFile at least that`,
  );
}

const settings = defprop({
  name: "swap._resume",
  kind: "posix",
  args: resumeArgs,
  desc: ({ swapFile }) => `settings for resuming from ${swapFile}`,
  apply: async ({ swapFile }, target) => {
    if (isInhibited(target)) return "unchanged";
    await needsRoot(target, "swap.resumeConfigured");
    await needsProgram(target, { program: "update-initramfs", package: "initramfs-tools" });
    await needsProgram(target, { program: "update-grub", package: "grub2-common" });
    const { uuid, offset } = await placeOf(target, swapFile);
    const options = `resume=UUID=${uuid} resume_offset=${offset}`;
    const grub = `GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT ${options}"\n`;
    const changes = [
      await withCreatedNoted(target, GRUB, () => target.ensureContent(GRUB, grub)),
      await withCreatedNoted(target, INITRAMFS, () =>
        target.ensureContent(INITRAMFS, `RESUME=UUID=${uuid}\nresume_offset=${offset}\n`),
      ),
    ];
    return either(changes);
  },
  unapply: async (_args, target) => {
    await needsRoot(target, "swap.resumeConfigured");
    return either([
      await withCreatedRemoved(target, GRUB, () => target.remove(GRUB)),
      await withCreatedRemoved(target, INITRAMFS, () => target.remove(INITRAMFS)),
    ]);
  },
});

const either = (changes: readonly Change[]): Change =>
  changes.includes("changed") ? "changed" : "unchanged";

const made = async (target: PosixTarget): Promise<Change> => {
  await updateInitramfs(target);
  await updateGrub(target);
  return "changed";
};

const bootMade = defprop({
  name: "swap._bootMade",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "initramfs and menu of GRUB made anew",
  apply: (_args, target) => made(target),
  unapply: (_args, target) => made(target),
});

/**
 * The machine can hibernate into `swapFile` (default: /var/lib/swapfile), and resumes from it: GRUB and the initramfs know the file
 * system by its UUID, and where in it the file begins. They are made anew when that has changed. The file must be swap space, such
 * as by `swap.hasSwapFile`, and at least as large as the memory. For machines on which initramfs-tools and GRUB are installed;
 * one that is built in a directory or an image is left as it is, and gets its settings when it runs. Unapplying it removes them.
 *
 * @example eseqprops(swap.hasSwapFile("16G"), swap.resumeConfigured())
 */
export const resumeConfigured = defproplist({
  name: "swap.resumeConfigured",
  args: resumeArgs,
  call: ({ swapFile = "/var/lib/swapfile" }: { readonly swapFile?: string } = {}) => ({ swapFile }),
  desc: ({ swapFile }) => `resumes from ${swapFile}`,
  hostattrs: ({ swapFile }, host) => {
    os.required(host, "debianlike");
    refuseAnother(host, INITRAMFS, swapFile);
  },
  parts: ({ swapFile }) => [onChange(settings({ swapFile }), bootMade())],
});
