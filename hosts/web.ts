import { as, defhost, eseqprops, onChange, via } from "consfigurator";
import { apt, cron, file, hostname, os, ssh, systemd, timezone, user } from "consfigurator/properties";

/**
 * A web server on Debian, reached over ssh. The first deployment installs the agent; later ones send only changes.
 * While its name is not in DNS: `deploy(web1, via.ssh({ user: "root", hop: "192.0.2.7" }), via.agent())`.
 */
export const web1 = defhost(
  "web1.example.org",
  { deploy: [via.ssh({ user: "root" }), via.agent()], desc: "the web server" },
  os.debianStable("bookworm", "amd64"),
  hostname.configured(),
  timezone.configured("Europe/London"),
  apt.periodicUpdates(),

  // Ada maintains it. Nobody logs in with a password.
  user.hasAccount("ada"),
  user.hasGroups("ada", "adm", "sudo"),
  user.hasLoginShell("ada", "/bin/bash"),
  as(
    "ada",
    ssh.authorizedKeys(
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleEx ada@example.org",
    ),
  ),
  onChange(
    file.existsWithContent("/etc/ssh/sshd_config.d/keys.conf", "PasswordAuthentication no"),
    systemd.reloaded("ssh"),
  ),

  // One site. If a step fails, the following ones are skipped.
  eseqprops(
    apt.installed("nginx"),
    onChange(
      file.existsWithContent("/etc/nginx/conf.d/quiet.conf", "server_tokens off;"),
      systemd.reloaded("nginx"),
    ),
    file.existsWithContent("/var/www/html/index.html", "<h1>It works</h1>"),
    systemd.enabled("nginx"),
    systemd.started("nginx"),
  ),
  cron.systemJob("copy of the site", "daily", "ada", "tar -czf ~/site.tar.gz -C /var/www html"),
);
