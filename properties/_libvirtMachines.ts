/** Virtual machines of libvirt: their definitions, and whether they run. */
import { defprop, defproplist, type Host, type MaybePropApp, schema, withoutEmpty } from "consfigurator";
import { define, domainName, isDefined, isRunning, undefine, virsh } from "./_libvirtDomains";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { whileRunning } from "./_whileRunning";
import { installed as aptInstalled } from "./apt";
import { isInhibited } from "./service";

const { list, object, propapp, string } = schema;

/** A host, or its name, which is that of the virtual machine. */
type Named = Pick<Host, "name"> | string;
const nameOf = (host: Named): string => (typeof host === "string" ? host : host.name);
const named = object({ name: domainName() });
const byName = (host: Named) => ({ name: nameOf(host) });

/** Suites in which virtiofsd comes with QEMU. */
const withoutVirtiofsd = ["bullseye", "bookworm", "oldstable", "oldoldstable"];

/**
 * libvirt is installed, with QEMU, virsh(1) and virt-install(1).
 *
 * @example libvirt.installed()
 */
export const installed = defproplist({
  name: "libvirt.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "libvirt installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: (_args, host) => {
    const value = os.of(host);
    const suite = value && os.isA(value, "debian") ? os.debianSuite(value) : "";
    return [
      aptInstalled(
        ...["libvirt-clients", "virtinst", "libvirt-daemon", "libvirt-daemon-system"],
        ...(withoutVirtiofsd.includes(suite) ? [] : ["virtiofsd"]),
      ),
    ];
  },
});

/**
 * libvirt has the virtual machine that is called as `host`, as virt-install(1) makes it with `words`. It is defined anew when they
 * have changed: one that runs goes on as it is until it is started again. Unapplying it removes the definition, but no disk; one
 * that runs goes on until it is shut down.
 *
 * @example libvirt.definedFor("guest.example.org", "--memory=2048", "--disk=path=/var/lib/libvirt/images/guest.img", "--import")
 */
export const definedFor = defprop({
  name: "libvirt.definedFor",
  kind: "posix",
  args: object({
    name: domainName(),
    words: list(
      string({
        pattern: "^-[^\\n]*$",
        description: 'an option of virt-install with its value, such as "--memory=2048"',
      }),
    ),
  }),
  call: (host: Named, ...words: string[]) => ({ ...byName(host), words }),
  desc: ({ name }) => `virtual machine ${name} defined`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name, words }, target) => {
    await needsRoot(target, "libvirt.definedFor");
    const all = withOsinfo(words);
    return (await isDefined(target, name, all)) ? "unchanged" : define(target, name, all);
  },
  unapply: async ({ name }, target) => {
    await needsRoot(target, "libvirt.definedFor");
    return undefine(target, name);
  },
});

/** virt-install insists on knowing the system, unless it is told not to. */
const withOsinfo = (words: readonly string[]): string[] =>
  words.some((word) => /^--(osinfo|os-variant)\b/.test(word))
    ? [...words]
    : ["--osinfo=detect=on,require=off", ...words];

/**
 * The virtual machine that is called as `host` runs. There must be one: see `libvirt.definedFor`. Does nothing where services are
 * inhibited.
 *
 * @example libvirt.started("guest.example.org")
 */
export const started = defprop({
  name: "libvirt.started",
  kind: "posix",
  args: named,
  call: byName,
  desc: ({ name }) => `virtual machine ${name} started`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name }, target) =>
    isInhibited(target) || (await isRunning(target, name)) ? "unchanged" : virsh(target, "start", name),
});

/**
 * The virtual machine that is called as `host` does not run. It is turned off as by pulling its plug.
 *
 * @example libvirt.destroyed("guest.example.org")
 */
export const destroyed = defprop({
  name: "libvirt.destroyed",
  kind: "posix",
  args: named,
  call: byName,
  desc: ({ name }) => `virtual machine ${name} turned off`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ name }, target) =>
    (await isRunning(target, name)) ? virsh(target, "destroy", name) : "unchanged",
});

const whenArgs = object({ name: domainName(), applications: list(propapp()) });

/**
 * Applies each of `applications` in order while the virtual machine that is called as `host` runs, and nothing otherwise. The
 * first failure stops the rest. Unapplying unapplies them, while it runs.
 *
 * @example libvirt.whenStarted("guest.example.org", file.hasContent("/run/guest-runs", "yes"))
 */
export const whenStarted = defprop({
  name: "libvirt.whenStarted",
  args: whenArgs,
  call: (host: Named, ...applications: MaybePropApp[]) => ({
    ...byName(host),
    applications: withoutEmpty(applications),
  }),
  desc: ({ name }) => `while the virtual machine ${name} runs`,
  ...whileRunning<schema.Infer<typeof whenArgs>>(({ name }, target) => isRunning(target, name)),
});
