/** A machine whose operating system is replaced by a new one while it runs. */
import {
  type Change,
  defprop,
  defproplist,
  FailedChange,
  InapplicableProperty,
  onChange,
  type PosixTarget,
  schema,
} from "consfigurator";
import { install } from "./_aptInstall";
import { bootloadersOf } from "./_bootloaders";
import { type BootstrapOptions, bootstrapOptions, insideOf, insides, usesMmdebstrap } from "./_bootstrap";
import { volumesOf } from "./_declaredVolumes";
import { needsRoot } from "./_needs";
import { bootId, MARKER, makeNewSystem } from "./_newSystem";
import * as os from "./_os";
import { inWords } from "./_osMatch";
import { lookedOver } from "./_replaceable";
import { exchangeRoots, isExchanging, KEPT, NEW, OLD, refuseUnlessExchangeable } from "./_rootFlip";
import { isContained } from "./container";

const { object } = schema;

const NAME = "installer.cleanlyInstalledOnce";
const cleanArgs = object({ options: bootstrapOptions() });

const isInPlace = async (target: PosixTarget): Promise<boolean> =>
  (await target.lstat(MARKER)) !== undefined && !(await isExchanging(target));

/** What is built in place has no running system of its own. */
const isApart = (target: PosixTarget): boolean => !isContained(target.host, "reboot");

const replaced = defprop({
  name: "installer._replaced",
  kind: "posix",
  args: cleanArgs,
  desc: () => "the operating system is new",
  check: async (_args, target) => isApart(target) || isInPlace(target),
  apply: async ({ options }, target): Promise<Change> => {
    await needsRoot(target, NAME);
    if (!(await isExchanging(target))) {
      const found = await lookedOver(target);
      await refuseUnlessExchangeable(target);
      target.inform(announcement(target, found.system));
      await install(target, NAME, ["mmdebstrap"], ["--no-install-recommends"]);
      await makeNewSystem(target, found, options as BootstrapOptions);
    }
    await exchangeRoots(target, await ownDirectories(target));
    target.inform(
      `${target.host.name} HAS ITS NEW SYSTEM. It reboots when everything else has succeeded. IF SOMETHING FAILS, DO NOT REBOOT IT: correct what failed, and deploy again\n`,
    );
    await rebootsAtEnd(target);
    return "changed";
  },
});

const announcement = (target: PosixTarget, system: string): string =>
  `${system} on ${target.host.name} is replaced by ${inWords(os.of(target.host) as os.OsValue)}. Everything in / except ${KEPT.join(", ")} goes to ${OLD}; host keys, root's authorized_keys, the host name and the addresses are carried over\n`;

/** Where this deployment keeps what it runs on, and what it must not forget. */
async function ownDirectories(target: PosixTarget): Promise<string[]> {
  const { stdout } = await target.query(
    'printf "%s\\n" "${XDG_CACHE_HOME:-$HOME/.cache}/consfigurator" "${XDG_STATE_HOME:-$HOME/.local/state}/consfigurator"',
    { about: {} },
  );
  return stdout.split("\n").filter((each) => each.startsWith("/"));
}

/** What a deployment says when it skips the reboot. */
const KEY = "THE REBOOT INTO THE NEW SYSTEM. Do not reboot the host: correct what failed, and deploy again";

/** Reboots when everything else has succeeded, as long as the machine still runs what it did before. */
const rebooted = defprop({
  name: "installer._rebooted",
  kind: "posix",
  args: object({}),
  desc: () => "rebooted into the new operating system",
  apply: async (_args, target) => (isApart(target) ? "unchanged" : rebootsAtEnd(target)),
});

/** Also when a step between fails, so that the failure says what that means. */
async function rebootsAtEnd(target: PosixTarget): Promise<Change> {
  const [earlier] = await target.readLines(MARKER);
  if (earlier === undefined || earlier !== (await bootId(target))) return "unchanged";
  target.atEnd(KEY, async (target, _result, failed) => {
    if (failed)
      throw new FailedChange(
        `${target.host.name} IS NOT REBOOTED, because something failed after its operating system was replaced. Do not reboot it: correct what failed, and deploy again, which finishes it`,
      );
    await target.run(
      'nohup setsid sh -c "sleep 3; systemctl reboot || reboot -f" </dev/null >/dev/null 2>&1 &',
      { predict: () => undefined },
    );
    target.inform(`${target.host.name} reboots into its new operating system\n`);
    return { rebootsFrom: earlier };
  });
  return "changed";
}

/** Refuses boot loaders that cannot take part. */
function refuseOthers(names: readonly string[]): void {
  if (names.length === 0) return;
  throw new InapplicableProperty(
    `${names.join(", ")} cannot boot a system that replaces the one that runs; grub.grub can`,
  );
}

/**
 * The operating system of the machine is the Debian that the host declares, newly installed, in the place of the one that runs:
 * for a rented machine. Debian is made in /new-os, with sshd and, unless it is a container, a kernel and the boot loaders that
 * `disk.hasVolumes` names. Then each entry of / is exchanged for the new one, within about a millisecond. Properties after this one
 * apply to the new system; when all of them have succeeded, the machine reboots. What was there before is in /old-os, until
 * `mount.unmountedBelowAndRemoved("/old-os")` removes it. The file /etc/consfigurator/os-cleanly-installed says that it was done,
 * so it is done once.
 *
 * Carried over are the host keys of sshd and its ports, root's authorized_keys, the host name, the machine ID, the addresses of the
 * interface with the default route (or DHCP), the name servers, and the consoles of the kernel. Other accounts are gone: connect as
 * root. `from` of the declaration says what may run before, such as `os.debianStable("trixie", "amd64", { from: "bookworm" })`.
 *
 * Refused before anything is changed, with all that stands against it: a root file system other than ext4 or xfs, file systems
 * mounted elsewhere than at / and the EFI system partition, too little space or memory, no key with which root can log in, no boot
 * loader for the firmware or for the disk, a system without apt-get. What is killed, even with `kill -9`, goes on with the
 * next deployment. When something fails after the exchange, the machine is not rebooted.
 *
 * `options` are those of `chroot.osBootstrapped` that mmdebstrap knows; the mirrors and the proxy are those that the host declares
 * before this property. It does nothing while the system is built in a chroot or an image.
 *
 * @example installer.cleanlyInstalledOnce()
 * @example onChange(installer.cleanlyInstalledOnce({ variant: "minbase" }), mount.unmountedBelowAndRemoved("/old-os"))
 */
export const cleanlyInstalledOnce = defproplist({
  name: "installer.cleanlyInstalledOnce",
  args: cleanArgs,
  call: (options: BootstrapOptions | null = null) => ({
    options: Object.fromEntries(
      Object.entries(options ?? {}).filter(([, value]) => value !== undefined),
    ) as Record<string, never>,
  }),
  desc: () => "operating system newly installed, once",
  hostattrs: ({ options }, host) => {
    os.required(host, "debian");
    host.push(insides, insideOf(NEW, host));
    if (!usesMmdebstrap(host, options as BootstrapOptions))
      throw new InapplicableProperty(
        "it takes the options include, components, variant, keyring, aptProxy and aptMirror",
      );
    refuseOthers(
      bootloadersOf(volumesOf(host)).flatMap(({ definition }) =>
        definition.inPlace ? [] : [definition.name],
      ),
    );
  },
  parts: ({ options }, host) => {
    const installs = bootloadersOf(volumesOf(host)).flatMap(({ volume, definition, options }) =>
      volume.deviceFile === undefined ? [] : [definition.install(volume.deviceFile, options)],
    );
    const replacing = replaced({ options });
    return [installs.length > 0 ? onChange(replacing, ...installs) : replacing, rebooted({})];
  },
});
