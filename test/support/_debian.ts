/** The Debian packages that test machines need, installed where that is possible. */
import { existsSync } from "node:fs";
import commandsOfPackages from "./_commands.json";
import { tryRun } from "./_run";
import { isInstalled } from "./_support";

/**
 * As root on a Debian all packages of `_commands.json` are installed afterwards; elsewhere nothing happens. Answers with
 * what went wrong: the tests that need them then say what they lack.
 */
export async function installDebianPackages(): Promise<string | undefined> {
  const isDebian =
    process.platform === "linux" && existsSync("/etc/debian_version") && existsSync("/usr/bin/apt-get");
  if (!isDebian || process.getuid?.() !== 0) return undefined;
  const missing = missingPackages();
  if (missing.length === 0) return undefined;
  process.stderr.write(`Installing Debian packages (${missing.join(" ")}) …\n`);
  const apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300"];
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
