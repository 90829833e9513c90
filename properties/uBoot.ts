/** The boot loader U-Boot, of small computers. */
import { defprop, InapplicableProperty, schema } from "consfigurator";
import { defbootloader } from "./_bootloaders";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram } from "./_ownFile";
import { installed } from "./apt";
import { isContained } from "./container";

const { object, optional, string } = schema;

/** Options of U-Boot on a disk. */
export interface RockchipOptions {
  /** The board, such as "rockpro64-rk3399". Default: that of the machine. */
  readonly target?: string;
}

/**
 * U-Boot for boards with a Rockchip processor boots from a disk: a value for `bootsWith`.
 *
 * @example disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/mmcblk0", bootsWith: uBoot.installRockchip({ target: "rockpro64-rk3399" }) }))
 */
export const installRockchip = (options: RockchipOptions = {}) => onDisk(options);

const onDisk = defbootloader<RockchipOptions>({
  name: "uBoot.installRockchip",
  binaries: () => installed("u-boot-rockchip"),
  install: (deviceFile, options) => installedRockchip(deviceFile, options),
});

/**
 * U-Boot for boards with a Rockchip processor is written to the disk `deviceFile`: that for the board `target`, or for the machine
 * itself. It is written each time, so use it in `onChange`, or by `installer.bootloadersInstalled`. The package
 * u-boot-rockchip must be installed. For a system that is built in a container, `target` must be given.
 *
 * @example onChange(apt.installed("u-boot-rockchip"), uBoot.installedRockchip("/dev/mmcblk0"))
 */
export const installedRockchip = defprop({
  name: "uBoot.installedRockchip",
  kind: "posix",
  args: object({
    deviceFile: string({ pattern: "^/dev/[^\\s]+$", description: 'a device, such as "/dev/mmcblk0"' }),
    target: optional(
      string({ pattern: "^[A-Za-z0-9._-]+$", description: 'a board, such as "rockpro64-rk3399"' }),
    ),
  }),
  call: (deviceFile: string, { target }: RockchipOptions = {}) => ({
    deviceFile,
    ...(target !== undefined && { target }),
  }),
  desc: ({ deviceFile, target }) => `U-Boot${target === undefined ? "" : ` for ${target}`} on ${deviceFile}`,
  hostattrs: ({ target }, host) => {
    os.required(host, "debianlike");
    if (target === undefined && !isContained(host, "physicalDisks"))
      throw new InapplicableProperty(
        `the disks that ${host.name} sees are not its own, so its board is not known; give a target, such as "rockpro64-rk3399"`,
      );
  },
  apply: async ({ deviceFile, target: board }, target) => {
    await needsRoot(target, "uBoot.installedRockchip");
    await needsProgram(target, { program: "u-boot-install-rockchip", package: "u-boot-rockchip" });
    await target.run(["u-boot-install-rockchip", deviceFile], {
      ...(board !== undefined && { env: { TARGET: board } }),
      touches: { paths: [deviceFile] },
    });
    return "changed";
  },
});
