/** The tables that `on(host)` has. */
export { authorizedKeys, cron, logins } from "./access";
export { groups, users } from "./accounts";
export { conffiles } from "./conffiles";
export { disks } from "./disks";
export { facts } from "./facts";
export { files, read, sysctl, usage } from "./files";
export { packageHistory, sessions, touched } from "./history";
export { type LogOptions, logs } from "./logs";
export { mounts } from "./mounts";
export { connections, interfaces, ports, routes } from "./network";
export { owners } from "./owners";
export { packages } from "./packages";
export { processes } from "./processes";
export { failed, services, timers, units } from "./units";
