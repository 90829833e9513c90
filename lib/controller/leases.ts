import type { Connection } from "../model/connection";
import type { Hop, HopContext } from "../model/hop";
import { type HostFacts, HostModel } from "../model/host-facts";
import { controllerArtifacts } from "./artifacts";
import type { Lease } from "./pool";
import { session } from "./session";

/** An abort signal, a progress listener and an asker for opening a chain. Default: the asker of the session alone. */
type LeaseOptions = Partial<Pick<HopContext, "signal" | "progress" | "ask">>;

/** A lease of the chain `hops` to `host`, from the session's connection pool. Throws `ConnectionFailed`. */
export const lease = (host: HostFacts, hops: readonly Hop[], options: LeaseOptions = {}): Promise<Lease> =>
  session.connections.lease(hops, leaseContext(host, options));

/** The context in which this session opens hops to `host`. */
export const leaseContext = (
  host: HostFacts,
  { signal = new AbortController().signal, progress = () => {}, ask = session.ask }: LeaseOptions = {},
): Omit<HopContext, "parent"> => ({
  host,
  ask,
  signal,
  artifacts: controllerArtifacts,
  progress,
});

/** The result of `use`, called with the innermost connection of the chain `hops` to the host `name`. */
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
