import type { Route } from "./_endpoints";
import { explainNetworkError, unanswered } from "./_socket";

interface Attempt {
  readonly address: string;
  readonly route: Route;
  /** The time limit, if it has passed. */
  readonly timeoutSeconds: number | undefined;
}

/** The host closed the connection while the user was asked. */
export const unansweredQuestion = (address: string): string =>
  `${address} closed the connection before the question was answered; deploy again to be asked again`;

/** Explains why the system's `ssh` could not connect, from its stderr, with advice for the user. */
export function explainSshFailure(stderr: string, { address, route, timeoutSeconds }: Attempt): string {
  const { endpoint, destination } = route;
  const lines = stderr
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "" && !/^Warning: Permanently added/.test(line));
  const printed = lines.slice(-3).join(" ").trim();
  const network = (code: string) =>
    endpoint
      ? explainNetworkError(Object.assign(new Error(printed), { code }), endpoint.config)
      : `${printed}; check the address and the network`;
  if (timeoutSeconds !== undefined) return `${unanswered(address)} (timed out after ${timeoutSeconds} s)`;
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(stderr)) return changedKey(stderr, address);
  if (/REVOKED HOST KEY/i.test(stderr))
    return `the host key of ${address} is revoked in known_hosts: ${printed}`;
  if (/Host key verification failed|No .* host key is known/.test(stderr)) {
    const where = route.parent.local ? "" : ` on the machine before it (${route.parent.description})`;
    return `the host key of ${destination.name} (${address}) is unknown and was not accepted; compare its fingerprint and add it to known_hosts${where}: ${printed}`;
  }
  if (/Permission denied|Too many authentication failures/.test(stderr)) {
    const user = endpoint?.config.user ?? destination.user;
    return `${address}: login${user === undefined ? "" : ` as ${user}`} failed: ${printed}; check that one of your keys${route.parent.local ? "" : ` on ${route.parent.description}`} is in authorized_keys on the host`;
  }
  if (/Could not resolve hostname/.test(stderr)) return network("ENOTFOUND");
  if (/Connection refused/.test(stderr)) return network("ECONNREFUSED");
  if (/timed out/i.test(stderr)) return network("ETIMEDOUT");
  if (/ssh: not found|ssh: command not found/.test(stderr)) {
    return `the OpenSSH client is not installed on ${route.parent.local ? "this machine" : route.parent.description}: apt-get install openssh-client`;
  }
  return printed === "" ? `ssh to ${address} exited without an error message` : printed;
}

function changedKey(stderr: string, address: string): string {
  const [, file = "known_hosts", line = "?"] = /Offending .* key in (.*):(\d+)/.exec(stderr) ?? [];
  const command = /ssh-keygen -f .*/.exec(stderr)?.[0].trim();
  const print = /(SHA256:\S+?)\.?\r?\n/.exec(stderr)?.[1] ?? "a different one";
  return [
    `the host key of ${address} has changed: it is ${print}, not the one at ${file}:${line}`,
    "someone may be intercepting the connection, or the machine was reinstalled",
    `if you expected this, remove the old key${command ? ` with \`${command}\`` : ""} and deploy again`,
  ].join("; ");
}
