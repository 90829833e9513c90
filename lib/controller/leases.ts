import type { Connection } from "../model/connection";
import type { Hop, HopContext } from "../model/hop";
import { type HostFacts, HostModel } from "../model/host-facts";
import { controllerArtifacts } from "./artifacts";
import type { Lease } from "./pool";
import { session } from "./session";

/** Who may give an opening up, and who hears how it goes; left out: nobody. */
type LeaseOptions = Partial<Pick<HopContext, "signal" | "progress">>;

/** The chain `hops` to `host`, from the session's connections. Throws `ConnectionFailed`. */
export const lease = (host: HostFacts, hops: readonly Hop[], options: LeaseOptions = {}): Promise<Lease> =>
  session.connections.lease(hops, leaseContext(host, options));

/** What this session opens hops to `host` with. */
export const leaseContext = (
  host: HostFacts,
  { signal = new AbortController().signal, progress = () => {} }: LeaseOptions = {},
): Omit<HopContext, "parent"> => ({
  host,
  ask: session.ask,
  signal,
  artifacts: controllerArtifacts,
  progress,
});

/** The result of `use`, given the innermost connection of the chain `hops` to the host called `name`. */
export async function withLease<T>(
  name: string,
  hops: readonly Hop[],
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { connection, release } = await lease(HostModel.named(name), hops);
  try {
    return await use(connection);
  } finally {
    release();
  }
}
