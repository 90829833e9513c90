/** Virtual machines, by libvirt(8) and QEMU. */
import { defprop, defproplist, schema } from "consfigurator";
import { listed, needsLibvirt, virsh } from "./_libvirtDomains";
import { needed } from "./_needs";
import * as os from "./_os";
import { isInhibited } from "./service";

export { type KvmOptions, kvmBootsChroot, kvmBootsChrootFor } from "./_libvirtChroot";
export { definedFor, destroyed, installed, started, whenStarted } from "./_libvirtMachines";

const { object } = schema;

/**
 * The network "default" of libvirt runs. Does nothing where services are inhibited.
 *
 * @example libvirt.defaultNetworkStarted()
 */
export const defaultNetworkStarted = defprop({
  name: "libvirt.defaultNetworkStarted",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "default network of libvirt started",
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (_args, target) => {
    if (isInhibited(target)) return "unchanged";
    await needsLibvirt(target);
    return (await listed(target, "net-list")).includes("default")
      ? "unchanged"
      : virsh(target, "net-start", "default");
  },
});

const AUTOSTARTED = "/etc/libvirt/qemu/networks/autostart/default.xml";

const networkAutostarts = defprop({
  name: "libvirt._networkAutostarts",
  kind: "posix",
  args: object({}),
  desc: () => "default network of libvirt starts at boot",
  apply: async (_args, target) =>
    (await target.lstat(AUTOSTARTED)) === undefined ? virsh(target, "net-autostart", "default") : "unchanged",
  unapply: async (_args, target) =>
    (await target.lstat(AUTOSTARTED)) === undefined
      ? "unchanged"
      : virsh(target, "net-autostart", "default", "--disable"),
});

/**
 * The network "default" of libvirt runs, and does so after each boot. Unapplying it leaves it running.
 *
 * @example libvirt.defaultNetworkAutostarted()
 */
export const defaultNetworkAutostarted = defproplist({
  name: "libvirt.defaultNetworkAutostarted",
  args: object({}),
  call: () => ({}),
  desc: () => "default network of libvirt, also after each boot",
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: () => [networkAutostarts({}), needed(defaultNetworkStarted())],
});
