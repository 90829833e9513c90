/** The hops, as a consfig says them: `via.ssh({ user: "root" })`. */
export { agent } from "../agent/hop";
export { as } from "./as";
export { chroot } from "./chroot";
export { local } from "./local";
export { sandbox } from "./sandbox";
export { ssh } from "./ssh";
export { sudo } from "./sudo";
