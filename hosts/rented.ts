import { defhost, onChange, via } from "consfigurator";
import { disk, fstab, grub, installer, mount, network, os, swap } from "consfigurator/properties";

/**
 * A rented virtual machine whose provider has put an older Debian on it. The first deployment replaces that by a new one, in place,
 * and waits until the machine has rebooted into it; later ones only see to the rest. While its name is not in DNS:
 * `deploy(rented, via.ssh({ user: "root", hop: "203.0.113.7" }), via.agent())`. See docs/reinstall.md.
 */
export const rented = defhost(
  "rented.example.org",
  { deploy: [via.ssh({ user: "root" }), via.agent()], desc: "a rented machine" },
  os.debianStable("trixie", "amd64", { from: "bookworm" }),
  disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/vda", bootsWith: grub.grub() })),
  onChange(
    installer.cleanlyInstalledOnce(),
    fstab.hasEntriesForVolumes(
      disk.volumes(
        disk.mountedExt4Filesystem({ mountPoint: "/" }),
        disk.partition({}, disk.mountedFat32Filesystem({ mountPoint: "/boot/efi" })),
      ),
    ),
    mount.unmountedBelowAndRemoved("/old-os"),
  ),
  network.static("default route", "203.0.113.7/24", "203.0.113.1"),
  swap.hasSwapFile("2G"),
);
