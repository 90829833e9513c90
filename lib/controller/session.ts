import type { DeployEvent } from "../model/events";
import type { Asker } from "../model/hop";
import type { FleetReport, Report } from "../model/report";
import type { Hop } from "../model/types";
import type { Consfig } from "../source/consfig";
import { ConnectionPool } from "./pool";

/** A deployment, of one host or of several, as whoever watches it sees it. */
export interface AnyDeployment extends PromiseLike<Report | FleetReport> {
  readonly hosts: readonly string[];
  readonly hops: readonly Hop[];
  readonly over: boolean;
  subscribe(listener: (event: DeployEvent) => void): () => void;
  stop(): void;
  cancel(): void;
  again(reports: readonly Report[], how?: { readonly leaveOut?: boolean }): AnyDeployment;
}

/** What the person's session has in common: one consfig, one terminal, the deployments under way. */
class Session {
  /** The consfig in use; undefined for programs that define their hosts themselves. */
  consfig: Consfig | undefined;
  /** Who answers questions; undefined: nobody, and a question is a refusal. */
  ask: Asker | undefined;
  /** True: deployments that begin tell of every command. */
  verbose = false;
  readonly connections = new ConnectionPool();
  readonly deployments = new Set<AnyDeployment>();
  readonly #listeners = new Set<(deployment: AnyDeployment) => void>();

  /** `listener` hears of each deployment as it begins. Returns what ends that. */
  onDeployment(listener: (deployment: AnyDeployment) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  begin(deployment: AnyDeployment): void {
    this.deployments.add(deployment);
    for (const listener of this.#listeners) listener(deployment);
  }

  /** Ends every connection; what runs on hosts goes on there. */
  close(): Promise<void> {
    return this.connections.close();
  }
}

export const session = new Session();
