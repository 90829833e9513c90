import { deploy } from "../lib/controller/deploy";
import { type Host, hosts } from "../lib/model/host";
import { requireHost } from "./commands/_host";
import type { Shell } from "./shell";

/**
 * Deploys the hosts called `names`: by their own names, or by those that they have at the prompt. False if one failed. Throws
 * `CommandError` if there is no such host.
 */
export async function deployHosts(names: readonly string[], shell: Shell): Promise<boolean> {
  const chosen = [...new Set(names.map((name) => requireHost(name, { shell })))];
  const report = await deploy(chosen.map((name) => hosts.get(name) as Host));
  await shell.settled();
  shell.reports = report.reports;
  return report.ok;
}
