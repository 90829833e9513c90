/** What an operating system needs to boot from the disks of its host. */
import { defproplist, type HostModel, InapplicableProperty, type PropApp, schema } from "consfigurator";
import { type Booting, bootloadersOf } from "./_bootloaders";
import { volumesOf } from "./_declaredVolumes";
import * as os from "./_os";

export { type BootloaderDefinition, defbootloader } from "./_bootloaders";
export { cleanlyInstalledOnce } from "./_cleanInstall";

const { object } = schema;

/** The boot loaders that are declared. None is refused: the host would not boot. */
function declaredOf(host: HostModel): Booting[] {
  const found = bootloadersOf(volumesOf(host));
  refuseSeveral(found);
  if (found.length > 0) return found;
  throw new InapplicableProperty(
    `no disk of ${host.name} says what boots from it; put disk.hasVolumes with bootsWith before this property`,
  );
}

function refuseSeveral(booting: readonly Booting[]): void {
  for (const { definition, options } of booting) {
    const own = definition.variant?.(options);
    const other = booting
      .filter((each) => each.definition === definition)
      .map((each) => definition.variant?.(each.options))
      .find((variant) => variant !== own);
    if (other !== undefined)
      throw new InapplicableProperty(
        `${definition.name} for ${own} and for ${other} cannot both be installed on a host; give its disks one of them`,
      );
  }
}

/** What `booting` needs on the host, each once. */
function binariesOf(booting: readonly Booting[]): PropApp[] {
  const all = booting.map(({ definition, options }) => definition.binaries(options));
  const seen = new Set<string>();
  return all.filter(({ property, args }) => {
    const key = JSON.stringify([property, args]);
    return !seen.has(key) && seen.add(key);
  });
}

/**
 * The programs of the boot loaders are installed that the disks of the host name with `bootsWith` in `disk.hasVolumes`. No boot
 * loader is installed on a disk.
 *
 * @example eseqprops(disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sda", bootsWith: grub.grub() })), installer.bootloaderBinariesInstalled())
 */
export const bootloaderBinariesInstalled = defproplist({
  name: "installer.bootloaderBinariesInstalled",
  args: object({}),
  call: () => ({}),
  desc: () => "programs of the boot loaders",
  hostattrs: (_args, host) => {
    os.required(host, "debianlike");
    declaredOf(host);
  },
  parts: (_args, host) => binariesOf(declaredOf(host)),
});

/**
 * Each disk of the host that names a boot loader with `bootsWith` in `disk.hasVolumes` has it, and its programs are installed. It is
 * installed each time, so use it in `onChange`.
 *
 * @example eseqprops(disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sda", bootsWith: grub.grub() })), onChange(apt.installed("linux-image-amd64"), installer.bootloadersInstalled()))
 */
export const bootloadersInstalled = defproplist({
  name: "installer.bootloadersInstalled",
  args: object({}),
  call: () => ({}),
  desc: () => "boot loaders on the disks",
  hostattrs: (_args, host) => {
    os.required(host, "debianlike");
    for (const { volume } of declaredOf(host)) deviceOf(volume.deviceFile);
  },
  parts: (_args, host) => {
    const booting = declaredOf(host);
    return [
      ...binariesOf(booting),
      ...booting.map(({ volume, definition, options }) =>
        definition.install(deviceOf(volume.deviceFile), options),
      ),
    ];
  },
});

function deviceOf(deviceFile: string | undefined): string {
  if (deviceFile !== undefined) return deviceFile;
  throw new InapplicableProperty('a disk with bootsWith has no deviceFile; give it one, such as "/dev/sda"');
}
