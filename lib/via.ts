/** The hops, as a consfig says them: `via.ssh({ user: "root" })`. */
export { agent } from "../agent/hop";
export { as } from "./as";
export { chroot } from "./chroot";
export { doas } from "./doas";
export { docker } from "./docker";
export { local } from "./local";
export { lxc } from "./lxc";
export { nsenter } from "./nsenter";
export { podman } from "./podman";
export { rehome } from "./rehome";
export { run0 } from "./run0";
export { sandbox } from "./sandbox";
export { shellWrap } from "./shellWrap";
export { ssh } from "./ssh";
export { su } from "./su";
export { sudo } from "./sudo";
export { systemdMachined } from "./systemdMachined";
