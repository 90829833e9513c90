import { deploy } from "../lib/controller/deploy";
import { hostsNamed } from "./commands/_host";
import type { Shell } from "./shell";

/**
 * Deploys the hosts called `names`: by their own names, or by those that they have at the prompt. False if one failed. Throws
 * `CommandError` if there is no such host.
 */
export async function deployHosts(names: readonly string[], shell: Shell): Promise<boolean> {
  const report = await deploy(hostsNamed(names, shell));
  await shell.settled();
  shell.reports = report.reports;
  return report.ok;
}
