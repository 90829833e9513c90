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

/** As `deploy`, always with the hops of the host's definition. Throws `InvalidArguments` when hops are given. */
export function hostdeploy(host: Host, ...applications: MaybePropApp[]): Deployment<Report>;
export function hostdeploy(hosts: readonly Host[], ...applications: MaybePropApp[]): Deployment<FleetReport>;
export function hostdeploy(
  subject: Host | readonly Host[],
  ...applications: MaybePropApp[]
): Deployment<Report | FleetReport> {
  refuseHops("hostdeploy", "deploy", applications, hostdeploy);
  return deploy(subject as Host, ...applications);
}

/** As `deployThese`, always with the hops of the host's definition. Throws `InvalidArguments` when hops are given. */
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
 * Applies only these applications to this machine as root: with sudo(8), which may ask for the user's password, unless the
 * session runs as root. With `via.agent()` among the arguments, an agent applies them. The host defined under the
 * machine's name, if any, provides the facts.
 */
export function localsudo(...rest: (Hop | readonly Hop[] | MaybePropApp)[]): Deployment<Report> {
  const asRoot = process.getuid?.() === 0 ? [] : [sudo()];
  const { hops, others } = separateHops(rest);
  return deployThese(thisMachine(), [local(), ...asRoot, ...hops], ...others);
}

/**
 * Applies only these applications to the host defined under this machine's name, with its own hops. Throws `ConsfigError`
 * when no such host is defined, and `InvalidArguments` when hops are given.
 */
export function localhd(...applications: MaybePropApp[]): Deployment<Report> {
  session.consfig?.refresh();
  const name = thisMachine();
  const host = hosts.get(name);
  if (!host) {
    const error = new ConsfigError(
      `no host is defined for this machine, ${name}; add defhost(${JSON.stringify(name)}, …) in hosts/, or use localsudo(…)`,
    );
    Error.captureStackTrace(error, localhd);
    throw error;
  }
  return hostdeployThese(host, ...applications);
}

/** The fully qualified name of this machine, if it has one, else its host name. */
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
    [`it uses the hops of the host's definition; use ${other}(…) to pass others`],
    caller,
  );
}
