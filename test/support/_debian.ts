/** Installs the Debian packages that test machines need, where possible. */
import { existsSync } from "node:fs";
import commandsOfPackages from "./_commands.json";
import { tryRun } from "./_run";
import { isInstalled } from "./_support";

/**
 * As root on Debian, installs the missing packages of `_commands.json`; elsewhere does nothing. Returns an error message
 * on failure: the tests that need the packages then report what is missing.
 */
export async function installDebianPackages(): Promise<string | undefined> {
  const isDebian =
    process.platform === "linux" && existsSync("/etc/debian_version") && existsSync("/usr/bin/apt-get");
  if (!isDebian || process.getuid?.() !== 0) return undefined;
  const missing = missingPackages();
  if (missing.length === 0) return undefined;
  process.stderr.write(`Installing Debian packages (${missing.join(" ")}) …\n`);
  const options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries::Delay=false"];
  const apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy", ...options];
  // An update may fail for a source that has nothing to do with these packages.
  const update = await tryRun([...apt, "update"]);
  const install = await tryRun([...apt, "install", "--no-install-recommends", ...missing]);
  if (install.exit === 0) return undefined;
  return `apt-get could not install ${missing.join(" ")}:\n${update.stderr}${install.stderr}`;
}

function missingPackages(): string[] {
  const entries = Object.entries(commandsOfPackages);
  return entries.filter(([, commands]) => !commands.every(isInstalled)).map(([name]) => name);
}
