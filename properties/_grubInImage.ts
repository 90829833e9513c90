/** GRUB in an image of a disk that is built as a file. Pure. */
import type { InImage } from "./_bootloaders";

/** What GRUB must have in itself to find the rest. */
const MODULES = "part_gpt part_msdos ext2 fat search search_fs_uuid normal configfile";

/**
 * The programs of the system itself make GRUB and its menu, in the system. What grub-probe would find out about the disk, of which
 * there is none, is known.
 */
export const grubInImage = (target: "i386-pc" | "x86_64-efi" | "arm64-efi"): InImage => ({
  staged: [
    `if ! [ -d $TREE/usr/lib/grub/${target} ] || ! [ -x $TREE/usr/sbin/grub-mkconfig ]; then echo 'GRUB for ${target} is not installed in the system; put installer.bootloaderBinariesInstalled() into it' >&2; exit 1; fi`,
    `if ! ls $TREE/boot/vmlinuz-* >/dev/null 2>&1; then echo 'there is no kernel in the system; put apt.installed("linux-image-amd64") or the like into it' >&2; exit 1; fi`,
    ...PROBED,
    "mkdir -p $TREE/boot/grub",
    "chroot $TREE env PATH=/usr/sbin:/usr/bin:/sbin:/bin GRUB_DISABLE_OS_PROBER=true grub-mkconfig -o /tmp/grub.cfg >/dev/null 2>grub.log || { cat grub.log >&2; exit 1; }",
    "printf 'search.fs_uuid %s root\\nset prefix=($root)/boot/grub\\n' $ROOT_UUID >$TREE/tmp/early.cfg",
    `chroot $TREE /usr/bin/grub-mkimage -O ${target} -p /boot/grub -c /tmp/early.cfg -o /tmp/core ${target === "i386-pc" ? "biosdisk " : ""}${MODULES}`,
    `cp $TREE/tmp/core ${target}; cp $TREE/tmp/grub.cfg grub.cfg`,
    "umount $TREE/usr/sbin/grub-probe $TREE/dev/null $TREE/dev $TREE/tmp",
    `mkdir -p $TREE/boot/grub/${target}; cp $TREE/usr/lib/grub/${target}/*.mod $TREE/usr/lib/grub/${target}/*.lst $TREE/boot/grub/${target}/`,
    "cat grub.cfg >$TREE/boot/grub/grub.cfg; chmod 600 $TREE/boot/grub/grub.cfg",
    ...(target === "i386-pc" ? [] : removable(target)),
  ],
  written: target === "i386-pc" ? BIOS_WRITTEN : [],
});

/** Directories of the tree with what the programs need, until they have run. */
const PROBED = [
  "mkdir -p $TREE/tmp $TREE/dev; mount -t tmpfs none $TREE/tmp; mount -t tmpfs none $TREE/dev",
  ": >$TREE/dev/null; mount --bind /dev/null $TREE/dev/null",
  "mkdir -p $TREE/dev/disk/by-uuid; : >$TREE/dev/disk/by-uuid/$ROOT_UUID",
  "cat >grub-probe <<END",
  "#!/bin/sh",
  "while [ \\$# -gt 0 ]; do case \\$1 in --target=*) t=\\${1#*=};; -t|--target) t=\\$2; shift;; esac; shift; done",
  "case \\$t in",
  "device) echo /dev/disk/by-uuid/$ROOT_UUID;;",
  "fs_uuid) echo $ROOT_UUID;;",
  "fs) echo ext2;;",
  "partmap) echo $TABLE;;",
  "esac",
  "END",
  "chmod 755 grub-probe; mount --bind grub-probe $TREE/usr/sbin/grub-probe",
];

/** Where UEFI looks when it knows of no system: the image may boot anywhere. */
const removable = (target: "x86_64-efi" | "arm64-efi"): string[] => [
  `mkdir -p $TREE$ESP/EFI/BOOT; cp ${target} $TREE$ESP/EFI/BOOT/${target === "arm64-efi" ? "BOOTAA64.EFI" : "BOOTX64.EFI"}`,
];

/** The first sector loads the first of the core, which says where the others are, as in GRUB's boot.img and diskboot.img. */
const BIOS_WRITTEN = [
  "if [ $(stat -c %s i386-pc) -gt $((BIOS_BOOT_SECTORS * 512)) ]; then echo 'GRUB does not fit before the first partition; give it a BIOS boot partition of 1 MiB' >&2; exit 1; fi",
  'put() { dd of="$DRAFT" bs=512 seek=$1 oflag=seek_bytes conv=notrunc status=none; }',
  'number() { n=$1; for _ in 1 2 3 4 5 6 7 8; do printf "\\\\$(printf %03o $((n % 256)))"; n=$((n / 256)); done; }',
  "put $((BIOS_BOOT * 512)) <i386-pc",
  "number $((BIOS_BOOT + 1)) | put $((BIOS_BOOT * 512 + 500))",
  "head -c 440 $TREE/usr/lib/grub/i386-pc/boot.img | put 0",
  "number $BIOS_BOOT | put 92",
];
