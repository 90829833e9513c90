import type { Route } from "./_endpoints";
import { explained, unanswered } from "./_socket";

interface Circumstances {
  readonly place: string;
  readonly route: Route;
  /** The seconds after which we gave up, if we did. */
  readonly waited: number | undefined;
}

/** Why the system's `ssh` could not connect, from what it said, with what to do about it. */
export function afterSsh(stderr: string, { place, route, waited }: Circumstances): string {
  const { endpoint, destination } = route;
  const lines = stderr
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "" && !/^Warning: Permanently added/.test(line));
  const said = lines.slice(-3).join(" ").trim();
  const network = (code: string) =>
    endpoint
      ? explained(Object.assign(new Error(said), { code }), endpoint.config)
      : `${said}; check the address and the network`;
  if (waited !== undefined) return `${unanswered(place)} (gave up after ${waited} s)`;
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(stderr)) return changed(stderr, place);
  if (/REVOKED HOST KEY/i.test(stderr)) return `the host key of ${place} is revoked by known_hosts: ${said}`;
  if (/Host key verification failed|No .* host key is known/.test(stderr)) {
    const where = route.parent.local ? "" : `, on the machine before it (${route.parent.description})`;
    return `the host key of ${destination.name} (${place}) is not known, and it was not accepted; compare its fingerprint and add it to known_hosts${where}: ${said}`;
  }
  if (/Permission denied|Too many authentication failures/.test(stderr)) {
    const user = endpoint?.config.user ?? destination.user;
    return `${place} did not let ${user ?? "us"} in: ${said}; check that one of the keys at hand${route.parent.local ? "" : ` on ${route.parent.description}`} is in authorized_keys on the host`;
  }
  if (/Could not resolve hostname/.test(stderr)) return network("ENOTFOUND");
  if (/Connection refused/.test(stderr)) return network("ECONNREFUSED");
  if (/timed out/i.test(stderr)) return network("ETIMEDOUT");
  if (/ssh: not found|ssh: command not found/.test(stderr)) {
    return `the OpenSSH client is not installed on ${route.parent.local ? "this machine" : route.parent.description}: apt-get install openssh-client`;
  }
  return said === "" ? `ssh to ${place} ended without a word` : said;
}

function changed(stderr: string, place: string): string {
  const [, file = "known_hosts", line = "?"] = /Offending .* key in (.*):(\d+)/.exec(stderr) ?? [];
  const command = /ssh-keygen -f .*/.exec(stderr)?.[0].trim();
  const print = /(SHA256:\S+?)\.?\r?\n/.exec(stderr)?.[1] ?? "another one";
  return [
    `the host key of ${place} has changed: it is ${print}, not the one at ${file}:${line}`,
    "somebody may be listening in, or the machine was installed anew",
    `if you know why, forget the old key${command ? ` with \`${command}\`` : ""} and deploy again`,
  ].join("; ");
}
