import { plan } from "../lib/controller/deploy";
import { InvalidArguments } from "../lib/model/errors";
import { type Host, hosts } from "../lib/model/host";
import { similar } from "../lib/util/similar";
import type { Shell } from "./shell";

/** Exit codes of `consfig plan`. */
const PLAN_EXIT = { unchanged: 0, failed: 1, changes: 3 } as const;

/**
 * Plans the hosts called `names`, or all that have hops. Returns the exit code: 0 when nothing would change, 3 when
 * something would or may, 1 when something would fail or a host cannot be asked.
 */
export async function planHosts(names: readonly string[], shell: Shell): Promise<number> {
  const chosen = names.length > 0 ? names.map(hostNamed) : hosts.values().filter(({ deploy }) => deploy);
  if (chosen.length === 0) throw new InvalidArguments("no host has hops; add { deploy: […] } to its defhost");
  const report = await plan(chosen);
  await shell.settled();
  shell.reports = report.reports;
  if (!report.ok) return PLAN_EXIT.failed;
  const isSettled = report.reports.every(({ status }) => status === "unchanged");
  return isSettled ? PLAN_EXIT.unchanged : PLAN_EXIT.changes;
}

function hostNamed(name: string): Host {
  const host = hosts.get(name);
  if (host) return host;
  const near = similar(hosts.names(), name, 4);
  const hint =
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : `the hosts are ${hosts.names().join(", ")}`;
  throw new InvalidArguments(`there is no host ${name}; ${hint}`);
}
