import { defhost, eseqprops, imageDumped, onChange, via } from "consfigurator";
import { apt, daemon, file, os, systemd } from "consfigurator/properties";

/** nginx accepts connections from outside and passes requests on to the service. */
const site = `server {
    listen 80;
    server_name guests.example.org;
    location / {
        proxy_pass http://127.0.0.1:1234;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
}`;

/**
 * A custom web service, `services/cool.ts`, behind nginx. Only its source is sent: the host builds the executable, runs
 * it, and rolls back to the previous version when a new one is not healthy. `guests.repl` deploys it.
 */
export const guests = defhost(
  "guests.example.org",
  { deploy: [via.ssh({ user: "root" }), via.agent()], desc: "a guest book" },
  os.debianStable("bookworm", "amd64"),
  eseqprops(
    imageDumped("/usr/local/bin/cool-web-service", {
      module: "../services/cool",
      call: "startServer",
      args: [1234],
    }),
    daemon.running("cool-web-service", {
      description: "The guest book",
      listen: ["127.0.0.1:1234"],
      healthy: "http://127.0.0.1:1234/healthz",
      state: true,
    }),
  ),
  eseqprops(
    apt.installed("nginx"),
    onChange(file.existsWithContent("/etc/nginx/conf.d/guests.conf", site), systemd.reloaded("nginx")),
    systemd.enabled("nginx"),
    systemd.started("nginx"),
  ),
);
