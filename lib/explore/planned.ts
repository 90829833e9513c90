import { Deployment } from "../controller/deployment";
import type { DeployRequest } from "../controller/request";
import { session } from "../controller/session";
import type { Hop } from "../model/hop";
import type { Host } from "../model/host";
import type { FleetReport, Report } from "../model/report";

export type Subject = Pick<Host, "name"> | Host;

/** A plan of everything that the definitions of hosts say, which views do not show. */
export const requestOf = (subjects: readonly Subject[], hops: readonly Hop[]): DeployRequest => ({
  scope: "everything",
  fleet: true,
  hosts: subjects,
  hops,
  applications: [],
  plan: true,
  paths: true,
  adHoc: "silent",
});

/** Plans everything that the definitions of hosts say; each step of the reports has the paths that it looks at. */
export async function plannedWhole(
  subjects: readonly Subject[],
  hops: readonly Hop[],
): Promise<readonly Report[]> {
  const deployment = new Deployment<FleetReport>(requestOf(subjects, hops));
  session.begin(deployment);
  return (await deployment).reports;
}
