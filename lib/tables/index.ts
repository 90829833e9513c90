/** The tables that `on(host)` has. */
export { authorizedKeys, cron, logins } from "./access";
export { groups, users } from "./accounts";
export { certificates } from "./certificates";
export { conffiles } from "./conffiles";
export { deployments } from "./deployments";
export { disks } from "./disks";
export { dns } from "./dns";
export { facts } from "./facts";
export { files, read, sysctl, usage } from "./files";
export { packageHistory, sessions, touched } from "./history";
export { type LogOptions, logs } from "./logs";
export { mounts } from "./mounts";
export { connections, interfaces, ports, routes } from "./network";
export { owners } from "./owners";
export { packages } from "./packages";
export { processes } from "./processes";
export { sudoers } from "./sudoers";
export { failed, services, timers, units } from "./units";
