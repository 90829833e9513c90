import { execFileSync } from "node:child_process";
import { hostname } from "node:os";
import { local } from "../connection/local";
import { sudo } from "../connection/sudo";
import { ConsfigError, refuseArguments } from "../model/errors";
import { type Hop, separateHops } from "../model/hop";
import { type Host, hosts } from "../model/host";
import type { MaybePropApp } from "../model/property";
import type { FleetReport, Report } from "../model/report";
import { deploy, deployThese } from "./deploy";
import type { Deployment } from "./deployment";
import { session } from "./session";

/** As `deploy`, always by the hops of the host's definition. Throws `InvalidArguments` for hops. */
export function hostdeploy(host: Host, ...applications: MaybePropApp[]): Deployment<Report>;
export function hostdeploy(hosts: readonly Host[], ...applications: MaybePropApp[]): Deployment<FleetReport>;
export function hostdeploy(
  subject: Host | readonly Host[],
  ...applications: MaybePropApp[]
): Deployment<Report | FleetReport> {
  refuseHops("hostdeploy", "deploy", applications, hostdeploy);
  return deploy(subject as Host, ...applications);
}

/** As `deployThese`, always by the hops of the host's definition. Throws `InvalidArguments` for hops. */
export function hostdeployThese(host: Host | string, ...applications: MaybePropApp[]): Deployment<Report>;
export function hostdeployThese(
  hosts: readonly (Host | string)[],
  ...applications: MaybePropApp[]
): Deployment<FleetReport>;
export function hostdeployThese(
  subject: Host | string | readonly (Host | string)[],
  ...applications: MaybePropApp[]
): Deployment<Report | FleetReport> {
  refuseHops("hostdeployThese", "deployThese", applications, hostdeployThese);
  return deployThese(subject as Host, ...applications);
}

/**
 * Only these applications, to this very machine, as root: by sudo(8), which may ask for the password of whoever runs us,
 * or without it for root. With `via.agent()` among them, by an agent. The host defined under the machine's name lends
 * its facts.
 */
export function localsudo(...rest: (Hop | readonly Hop[] | MaybePropApp)[]): Deployment<Report> {
  const asRoot = process.getuid?.() === 0 ? [] : [sudo()];
  const { hops, others } = separateHops(rest);
  return deployThese(thisMachine(), [local(), ...asRoot, ...hops], ...others);
}

/**
 * Only these applications, to the host that is defined under this machine's name, by its own hops. Throws `ConsfigError`
 * when there is none.
 */
export function localhd(...applications: MaybePropApp[]): Deployment<Report> {
  session.consfig?.refresh();
  const name = thisMachine();
  const host = hosts.get(name);
  if (!host) {
    const error = new ConsfigError(
      `this machine is called ${name}, and no host of that name is defined; say defhost(${JSON.stringify(name)}, …) in hosts/, or localsudo(…)`,
    );
    Error.captureStackTrace(error, localhd);
    throw error;
  }
  return hostdeployThese(host, ...applications);
}

/** The full name of this machine, where it knows one. */
function thisMachine(): string {
  try {
    return execFileSync("hostname", ["-f"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return hostname();
  }
}

function refuseHops(name: string, other: string, rest: readonly MaybePropApp[], caller: Function): void {
  if (separateHops(rest).hops.length === 0) return;
  refuseArguments(
    name,
    [`it uses the hops of the host's definition; write ${other}(…) to give others`],
    caller,
  );
}
