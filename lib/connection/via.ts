/** The hops, as a consfig says them: `via.ssh({ user: "root" })`. */
export { agent } from "../agent/hop";
export { local } from "./local";
export { sandbox } from "./sandbox";
export { ssh } from "./ssh";
export { sudo } from "./sudo";
