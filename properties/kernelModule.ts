/** Modules of the Linux kernel. */
import {
  AbortedChange,
  attribute,
  defprop,
  FailedChange,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { isInhibited } from "./_inhibited";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { object, string } = schema;

const moduleArgs = object({
  name: string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9_-]*$",
    description: 'a module of the kernel, such as "br_netfilter"',
  }),
});
const byName = (name: string) => ({ name });

/** What is declared of modules, as "name: loaded". */
const wanted = attribute<string>("kernelModule");

/** The kernel does not tell - from _. */
const known = (name: string): string => name.replaceAll("-", "_");

function refuseBoth(host: HostFacts, name: string, as: string): void {
  const other = `${known(name)}: ${as === "loaded" ? "blacklisted" : "loaded"}`;
  if (host.all(wanted).includes(other))
    throw new InapplicableProperty(
      `an earlier property has ${other.replace(": ", " ")}; remove one of the two`,
    );
}

const loadFile = (name: string): string => `/etc/modules-load.d/${known(name)}.conf`;
const blacklistFile = (name: string): string => `/etc/modprobe.d/blacklist-${known(name)}.conf`;

/** Whether the kernel has the module: loaded, or built in. */
async function isPresent(target: PosixTarget, name: string): Promise<boolean> {
  if (await isLoaded(target, name)) return true;
  const release = (await target.readLines("/proc/sys/kernel/osrelease"))[0]?.trim();
  const builtIn = await target.readLines(`/lib/modules/${release}/modules.builtin`);
  return builtIn.some((line) => known(line.replace(/^.*\//, "").replace(/\.ko.*$/, "")) === known(name));
}

/** What is built in may be there, too, but has no state. */
const isLoaded = async (target: PosixTarget, name: string): Promise<boolean> =>
  (await target.stat(`/sys/module/${known(name)}/initstate`)) !== undefined ||
  (await target.readLines("/proc/modules")).some((line) => line.startsWith(`${known(name)} `));

async function modprobe(target: PosixTarget, words: readonly string[], name: string): Promise<void> {
  const { exit, stderr, stdout } = await target.run(["modprobe", ...words, name], {
    mayFail: true,
    predict: (model) => {
      model.mayFail();
      model.mayChange({ paths: ["/sys/module", "/proc/modules"] });
      return undefined;
    },
  });
  if (exit === 0) return;
  const said = (stderr || stdout).trim() || `exit code ${exit}`;
  if (exit === 127)
    throw new AbortedChange(`modprobe is not installed; put apt.installed("kmod") before this property`);
  throw new FailedChange(
    words.includes("-r")
      ? `the module ${name} cannot be unloaded; stop what uses it, or reboot: ${said}`
      : `the module ${name} cannot be loaded; correct its name, or install the package that has it for this kernel: ${said}`,
  );
}

/**
 * The kernel has the module `name`, now and after each boot: by a file of its own in /etc/modules-load.d. One that is built
 * into the kernel counts. Where services are inhibited only the file is written. Unapplying it deletes the file; the kernel
 * keeps the module until it boots.
 *
 * @example kernelModule.loaded("br_netfilter")
 */
export const loaded = defprop({
  name: "kernelModule.loaded",
  kind: "posix",
  args: moduleArgs,
  call: byName,
  desc: ({ name }) => `kernel module ${name}`,
  hostattrs: ({ name }, host) => {
    os.required(host, "linux");
    refuseBoth(host, name, "loaded");
    host.pushNew(wanted, `${known(name)}: loaded`);
  },
  apply: async ({ name }, target) => {
    await needsRoot(target, "kernelModule.loaded");
    const isThere = isInhibited(target) || (await isPresent(target, name));
    if (!isThere) await modprobe(target, [], name);
    const file = loadFile(name);
    const written = await withCreatedNoted(target, file, () => target.ensureContent(file, `${name}\n`));
    return isThere ? written : "changed";
  },
  unapply: async ({ name }, target) => {
    await needsRoot(target, "kernelModule.loaded");
    return withCreatedRemoved(target, loadFile(name), () => target.remove(loadFile(name)));
  },
});

/**
 * The module `name` is not loaded, neither now nor by itself, by its hardware or by another module: a file of its own in
 * /etc/modprobe.d says so. One that is in use cannot be unloaded, and fails. What the initramfs loads stays so until that is
 * built anew. Unapplying it deletes the file.
 *
 * @example kernelModule.blacklisted("pcspkr")
 */
export const blacklisted = defprop({
  name: "kernelModule.blacklisted",
  kind: "posix",
  args: moduleArgs,
  call: byName,
  desc: ({ name }) => `no kernel module ${name}`,
  hostattrs: ({ name }, host) => {
    os.required(host, "linux");
    refuseBoth(host, name, "blacklisted");
    host.pushNew(wanted, `${known(name)}: blacklisted`);
  },
  apply: async ({ name }, target) => {
    await needsRoot(target, "kernelModule.blacklisted");
    const file = blacklistFile(name);
    const text = `blacklist ${known(name)}\ninstall ${known(name)} /bin/false\n`;
    const written = await withCreatedNoted(target, file, () => target.ensureContent(file, text));
    if (isInhibited(target) || !(await isLoaded(target, name))) return written;
    await modprobe(target, ["-r"], name);
    return "changed";
  },
  unapply: async ({ name }, target) => {
    await needsRoot(target, "kernelModule.blacklisted");
    return withCreatedRemoved(target, blacklistFile(name), () => target.remove(blacklistFile(name)));
  },
});
