import { readFileSync } from "node:fs";
import { canClone, defhost, onChange, via } from "consfigurator";
import { apt, cmd, file, os, ssh, timezone, user } from "consfigurator/properties";

/** The release of this machine, which its clone runs too. */
const suite =
  /^VERSION_CODENAME=([\w-]+)/m.exec(readFileSync("/etc/os-release", { encoding: "utf8" }))?.[1] ?? "stable";

/**
 * A copy-on-write clone of this machine. Deploy to it as often as you like: nothing outside changes, and
 * `.sandbox diff` shows what did.
 */
export const sandbox = canClone()
  ? defhost(
      "sandbox",
      { deploy: [via.sandbox(), via.agent()], desc: "a copy-on-write clone of this machine" },
      os.debianStable(suite, process.arch === "x64" ? "amd64" : process.arch),
      apt.installed("hello"),
      user.hasAccount("ada"),
      user.hasLoginShell("ada", "/bin/bash"),
      file.hasContent("/etc/motd", "This machine is described in hosts/sandbox.ts."),
      file.containsConfEquals("/etc/sysctl.d/10-sandbox.conf", "vm.swappiness", "10"),
      onChange(
        file.existsWithContent("/srv/hello/greeting", "Hello from a property."),
        cmd.single('hello --greeting="$(cat /srv/hello/greeting)" >/srv/hello/output', {
          touches: { paths: ["/srv/hello"] },
        }),
      ),
      timezone.configured("Etc/UTC"),
    )
  : defhost(
      "sandbox",
      {
        deploy: [via.sandbox()],
        desc: "a scratch home directory: a clone of this machine needs Linux and root",
      },
      file.directoryExists("notes"),
      file.hasContent("notes/today", ["Deployed from hosts/sandbox.ts."]),
      file.containsLines(".profile", "export EDITOR=vi"),
      file.containsIniSettings(".config/example.ini", ["editor", "tabs", "2"]),
      ssh.authorizedKeys(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleEx ada@example",
      ),
    );
