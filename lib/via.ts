/** The hops of a consfig: `via.ssh({ user: "root" })`. */
export { agent } from "./agent/client/hop";
export { as } from "./connection/as";
export { chroot } from "./connection/chroot";
export { doas } from "./connection/doas";
export { docker } from "./connection/docker";
export { local } from "./connection/local";
export { lxc } from "./connection/lxc";
export { nsenter } from "./connection/nsenter";
export { podman } from "./connection/podman";
export { rehome } from "./connection/rehome";
export { run0 } from "./connection/run0";
export { sandbox } from "./connection/sandbox";
export { shellWrap } from "./connection/shellWrap";
export { ssh } from "./connection/ssh";
export { su } from "./connection/su";
export { sudo } from "./connection/sudo";
export { systemdMachined } from "./connection/systemdMachined";
