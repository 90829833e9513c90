/** Boot loaders by name: how each is installed on a disk. */
import { InapplicableProperty, type PropApp } from "consfigurator";
import { type Bootloader, placed, type Volume } from "./_volumes";

/** Lines of the script that builds an image, with `set -e` and the variables that `imageScript` sets. */
export interface InImage {
  /** Before the file systems are made: what is to be among the files in $TREE. */
  readonly staged: readonly string[];
  /** When they are made: what is to be on the disk $DRAFT besides. */
  readonly written: readonly string[];
}

/** How a boot loader takes part when the system of a machine is replaced while it runs. */
export interface InPlace {
  readonly firmware: "bios" | "uefi";
  /** What the new system has from the beginning. */
  readonly packages: readonly string[];
  /**
   * Lines of shell text, with `set -e`: what is on the disk now, installed by the old system, boots the new one in $NEW, as soon as
   * that is in the place of the old. $ROOT_UUID is that of the root file system, $KERNEL and $INITRD are paths in $NEW, $ARGUMENTS
   * are for the kernel.
   */
  readonly staged: readonly string[];
}

/** A boot loader that a disk can name with `bootsWith`. */
export interface BootloaderDefinition<O> {
  /** `module.export` of the function that makes its value, such as "grub.grub". */
  readonly name: string;
  /** What makes its programs available on the host that is to boot. */
  readonly binaries: (options: O) => PropApp;
  /** For a host on which only one of several can be installed, such as one target: which it is. */
  readonly variant?: (options: O) => string;
  /** What installs it on `deviceFile`. */
  readonly install: (deviceFile: string, options: O) => PropApp;
  /** How it is put into an image that is built as a file. Without it, such an image is refused. */
  readonly inImage?: (options: O) => InImage;
  /** How it boots a system that replaces the one that runs. Without it, replacing that is refused. */
  readonly inPlace?: (options: O) => InPlace;
  /** What is wrong with a disk for it, whose contents are known. */
  readonly complaints?: (volume: Volume, options: O) => string[];
}

const definitions = new Map<string, BootloaderDefinition<never>>();

/** Defines a boot loader, and returns the function that makes its value. */
export function defbootloader<O extends object>(
  definition: BootloaderDefinition<O>,
): (options: O) => Bootloader {
  definitions.set(definition.name, definition as unknown as BootloaderDefinition<never>);
  return (options) => ({ bootloader: definition.name, options: options as Bootloader["options"] });
}

/** A boot loader on a disk. */
export interface Booting {
  readonly volume: Volume;
  readonly definition: BootloaderDefinition<never>;
  readonly options: never;
}

/** The boot loaders of `volumes`, in order. Throws `InapplicableProperty` for one that is not defined. */
export function bootloadersOf(volumes: readonly Volume[]): Booting[] {
  return placed(volumes).flatMap(({ volume }) =>
    [volume.bootsWith ?? []].flat().map((each) => {
      const { bootloader, options } = each as Bootloader;
      const definition = definitions.get(bootloader);
      if (definition) return { volume, definition, options: options as never };
      throw new InapplicableProperty(
        `there is no boot loader "${bootloader}"; there are ${[...definitions.keys()].join(", ")}`,
      );
    }),
  );
}

/** What is wrong with the disks of `volumes` for what boots from them. */
export const bootloaderComplaints = (volumes: readonly Volume[]): string[] =>
  bootloadersOf(volumes).flatMap(({ volume, definition, options }) =>
    volume.volumeContents === undefined ? [] : (definition.complaints?.(volume, options) ?? []),
  );
