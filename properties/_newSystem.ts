/** A new system beside the running one, which can take its place at any time. */
import { AbortedChange, FailedChange, type PosixTarget, shellQuote } from "consfigurator";
import { type BootstrapOptions, bootstrap, isBootstrapped } from "./_bootstrap";
import { numberOf } from "./_debianSuites";
import { entryFrom } from "./_fstabVolumes";
import { CARRIED, MAIN, STOCK } from "./_ifupdown";
import { DEFAULT_ROUTE, lookedUp } from "./_networkInterface";
import * as os from "./_os";
import { presentConfiguration } from "./_presentAddresses";
import type { Replaceable } from "./_replaceable";
import { NEW } from "./_rootFlip";

/** Says that the system is the one that was made, and during which boot of the machine it was put in place. */
export const MARKER = "/etc/consfigurator/os-cleanly-installed";

/** What a system needs to be reached, whatever `variant` it is. */
const PACKAGES = [
  "systemd-sysv",
  "udev",
  "dbus",
  "ifupdown",
  "iproute2",
  "openssh-server",
  "ca-certificates",
];

const KERNELS: Readonly<Record<string, string>> = {
  i386: "linux-image-686-pae",
  armhf: "linux-image-armmp",
  ppc64el: "linux-image-powerpc64le",
};

/** What checks the file systems when it boots. */
const checkersFor = ({ root, esp }: Replaceable): string[] => [
  root.type === "xfs" ? "xfsprogs" : "e2fsprogs",
  ...(esp ? ["dosfstools"] : []),
];

function packagesFor(
  target: PosixTarget,
  found: Replaceable,
  given: readonly string[],
  dhcp: boolean,
): string[] {
  const value = os.of(target.host) as os.OsValue;
  const arch = os.debianArchitectureString(value);
  const hasKernel = found.container || given.some((name) => name.startsWith("linux-image-"));
  const isNew = (numberOf(os.debianSuite(value)) ?? Number.POSITIVE_INFINITY) >= 13;
  const names = [
    ...PACKAGES,
    ...(dhcp ? [isNew ? "dhcpcd-base" : "isc-dhcp-client"] : []),
    ...(hasKernel ? [] : [KERNELS[arch] ?? `linux-image-${arch}`]),
    ...(found.container ? [] : ["initramfs-tools", "zstd", ...checkersFor(found)]),
    ...found.booting.flatMap(({ definition, options }) => definition.inPlace?.(options).packages ?? []),
    ...given,
  ];
  return [...new Set(names)];
}

/** The system that the host declares is in `NEW`, with what it needs to take the place of the running one. */
export async function makeNewSystem(
  target: PosixTarget,
  found: Replaceable,
  options: BootstrapOptions,
): Promise<void> {
  const uplink = await lookedUp(target, DEFAULT_ROUTE);
  const { lines, dhcp } = await presentConfiguration(target, uplink);
  const nameservers = await resolverLines(target);
  if (!(await isBootstrapped(target, NEW))) {
    const include = packagesFor(target, found, [options.include ?? []].flat(), dhcp);
    // What follows in a plan depends on it.
    await bootstrap(target, NEW, { ...options, include }, {});
  }
  await carryOver(target, found);
  await target.ensureContent(`${NEW}/etc/resolv.conf`, nameservers);
  await target.ensureContent(`${NEW}${MAIN}`, `${STOCK.join("\n")}\n`);
  await target.ensureContent(`${NEW}${CARRIED}`, `${[`auto ${uplink.name}`, ...lines].join("\n")}\n`);
  if (uplink.link) await target.ensureContent(`${NEW}${uplink.link.path}`, uplink.link.text);
  if (!found.container) await makeBootable(target, found);
  await target.ensureContent(`${NEW}${MARKER}`, `${await bootId(target)}\n`);
}

/** What others know the machine by, and who may log in. */
async function carryOver(target: PosixTarget, { sshdPorts }: Replaceable): Promise<void> {
  const isKey = (name: string) => /^ssh_host_(rsa|ecdsa|ed25519)_key(\.pub|-cert\.pub)?$/.test(name);
  const own = ((await target.list("/etc/ssh")) ?? []).filter(isKey);
  if (own.length === 0) throw new AbortedChange("there is no host key in /etc/ssh to be carried over");
  for (const name of ((await target.list(`${NEW}/etc/ssh`)) ?? []).filter(isKey))
    await target.remove(`${NEW}/etc/ssh/${name}`);
  for (const name of own) await target.copyFile(`/etc/ssh/${name}`, `${NEW}/etc/ssh/${name}`);
  if (sshdPorts.length > 0 && sshdPorts.join() !== "22")
    await target.ensureContent(
      `${NEW}/etc/ssh/sshd_config.d/10-ports.conf`,
      sshdPorts.map((port) => `Port ${port}\n`).join(""),
    );
  await target.makeDirectory(`${NEW}/root/.ssh`, { mode: 0o700 });
  await target.copyFile("/root/.ssh/authorized_keys", `${NEW}/root/.ssh/authorized_keys`);
  for (const file of ["/etc/hostname", "/etc/hosts", "/etc/machine-id"])
    if ((await target.stat(file))?.type === "file") await target.copyFile(file, `${NEW}${file}`);
}

const RESOLVED = "/run/systemd/resolve";

/** Where names are really asked for: not at the resolver of the running system, which the new one does not have. */
async function resolverLines(target: PosixTarget): Promise<string> {
  const own = await target.readLines("/etc/resolv.conf");
  const isStub = own.some((line) => /^nameserver\s+127\.0\.0\.5[34]\s*$/.test(line));
  const lines = isStub ? await target.readLines(`${RESOLVED}/resolv.conf`) : own;
  const kept = lines.filter((line) => /^(nameserver|search|domain|options)\s/.test(line));
  if (kept.some((line) => /^nameserver\s+(?!127\.|::1)/.test(line))) return `${kept.join("\n")}\n`;
  throw new AbortedChange(
    "no name server outside of the machine is in /etc/resolv.conf; put file.hasContent for it before this property",
  );
}

/** Its file systems, and what boots it until its own boot loader is installed. */
async function makeBootable(target: PosixTarget, { root, esp, ...found }: Replaceable): Promise<void> {
  if (root.uuid === "") throw new AbortedChange("the UUID of / is not known to findmnt");
  const options = root.type.startsWith("ext") ? ["relatime"] : [];
  const at = (path: string, kind: "mountedExt4Filesystem" | "mountedFat32Filesystem") =>
    ({ path, volume: { kind, mountOptions: options } }) as Parameters<typeof entryFrom>[1];
  const rootEntry = entryFrom(`UUID=${root.uuid}`, at("/", "mountedExt4Filesystem"));
  const lines = [rootEntry.replace(" ext4 ", ` ${root.type} `)];
  if (esp) {
    await target.makeDirectory(`${NEW}${esp.at}`);
    const source = esp.partuuid === "" ? `UUID=${esp.uuid}` : `PARTUUID=${esp.partuuid}`;
    lines.push(`${source} ${esp.at} vfat defaults 0 2`);
  }
  await target.ensureContent(`${NEW}/etc/fstab`, `${lines.join("\n")}\n`);
  const consoles = found.kernelArguments.filter((each) => each.startsWith("console="));
  if (consoles.length > 0)
    await target.ensureContent(
      `${NEW}/etc/default/grub.d/10-console.cfg`,
      `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${consoles.join(" ")}"\n`,
    );
  const staged = found.booting.flatMap(
    ({ definition, options }) => definition.inPlace?.(options).staged ?? [],
  );
  const { exit, stderr } = await target.run(
    [
      `set -e; NEW=${NEW}; ROOT_UUID=${shellQuote(root.uuid)}; ARGUMENTS=${shellQuote(consoles.join(" "))}`,
      'newest() { ls -v $NEW/boot/ | grep "^$1" | tail -n 1; }',
      "KERNEL=/boot/$(newest vmlinuz-); INITRD=/boot/$(newest initrd.img-)",
      'for f in "$KERNEL" "$INITRD"; do [ -s "$NEW$f" ] || { echo "the new system has no kernel, or no initramfs, in /boot" >&2; exit 1; }; done',
      ...new Set(staged),
    ].join("\n"),
    { mayFail: true, cwd: "/", touches: { paths: [NEW] }, predict: () => undefined },
  );
  if (exit !== 0)
    throw new FailedChange(`the new system would not boot: ${stderr.trim() || `exit code ${exit}`}`);
}

/** Another one after each boot. */
export const bootId = async (target: PosixTarget): Promise<string> =>
  (await target.readFile("/proc/sys/kernel/random/boot_id")).trim();
