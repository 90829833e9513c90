/** Which processes hold the addresses that a service is to listen on. */
import type { PosixTarget } from "consfigurator";

/**
 * `; PORT is in use by NAME (process PID): stop that, or choose another port` for the ports that a service could not listen at,
 * according to its journal; empty when there is none.
 */
export async function portsInUse(target: PosixTarget, journal: string): Promise<string> {
  const complaints = journal.split("\n").filter((line) => /address already in use|EADDRINUSE/i.test(line));
  const ports = complaints.flatMap((line) =>
    [...line.slice(0, 1000).matchAll(/:(\d{1,5})\b/g)].map(([, port = ""]) => port),
  );
  const found = await addressesInUse(target, [...new Set(ports)]);
  return found && `; ${found.slice(2)}; stop that service, or choose another address`;
}

/** `: ADDRESS is in use by NAME (process PID)` for each of `addresses` that is; empty when none is, or nobody can say. */
export async function addressesInUse(target: PosixTarget, addresses: readonly string[]): Promise<string> {
  const { stdout } = await target.query(["ss", "-Hlntp"], { mayFail: true });
  const listeners = stdout.split("\n").map((line) => {
    const [, , , at = ""] = line.split(/\s+/);
    const [, name, pid] = /users:\(\("([^"]+)",pid=(\d+)/.exec(line) ?? [];
    return { port: portOf(at), by: name === undefined ? "another process" : `${name} (process ${pid})` };
  });
  const found = addresses.flatMap((address) => {
    const port = portOf(address);
    const listener = listeners.find((each) => port !== undefined && each.port === port);
    return listener ? [`${address} is in use by ${listener.by}`] : [];
  });
  return found.length === 0 ? "" : `: ${found.join(", ")}`;
}

const portOf = (address: string): string | undefined => /(?:^|:)(\d+)$/.exec(address)?.[1];
