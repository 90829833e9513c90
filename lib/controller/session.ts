import type { DeployEvent } from "../model/events";
import type { Asker } from "../model/hop";
import type { PropApp } from "../model/property";
import type { FleetReport, Report } from "../model/report";
import type { Seen } from "../model/seen";
import type { Captured } from "../model/typed-function";
import type { Hop } from "../model/types";
import type { Consfig } from "../source/consfig";
import { ConnectionPool } from "./pool";

/** A deployment of one or several hosts, as views see it. */
export interface AnyDeployment extends PromiseLike<Report | FleetReport> {
  readonly hosts: readonly string[];
  readonly hops: readonly Hop[];
  readonly applications?: readonly PropApp[];
  readonly over: boolean;
  readonly adHoc?: "shown" | "silent" | undefined;
  subscribe(listener: (event: DeployEvent) => void): () => void;
  stop(): void;
  cancel(): void;
  again(reports: readonly Report[], how?: Again): AnyDeployment;
}

/** How a deployment is repeated. */
export interface Again {
  /** True: what failed is skipped, as is what was left out before. */
  readonly leaveOut?: boolean;
  /** True: steps that were not as planned may do what they would do now. */
  readonly accept?: boolean;
  /** True: nothing is done, it is planned anew. */
  readonly plan?: boolean;
}

/** Something that is watched until it is stopped, as views see it. */
export interface AnyWatch {
  /** True: whoever began it shows what is seen, and ends it. */
  readonly silent: boolean;
  readonly stopped: boolean;
  subscribe(listener: (seen: Seen) => void): () => void;
  stop(): void;
}

/** The state of the user's session: one consfig, one terminal, the running deployments. */
class Session {
  /** The consfig in use; undefined for programs that define their hosts themselves. */
  consfig: Consfig | undefined;
  /** Asks the user. Undefined in unattended sessions, where a hop that would have to ask fails. */
  ask: Asker | undefined;
  /** What hosts get of a function of the prompt or of a playbook; undefined for other functions. Undefined in other programs. */
  typed: ((fn: Function) => Captured | undefined) | undefined;
  /** Called when properties are about to be applied in this process, over a shell; returns what to call afterwards. */
  applyingHere: (() => () => void) | undefined;
  /** True: new deployments report every command. */
  verbose = false;
  /** True: new deployments are shown with the changes of each step. */
  diff = false;
  readonly connections = new ConnectionPool();
  readonly deployments = new Set<AnyDeployment>();
  /** What is being watched. */
  readonly watches = new Set<AnyWatch>();
  readonly #watchListeners = new Set<(watch: AnyWatch) => void>();
  readonly #listeners = new Set<(deployment: AnyDeployment) => void>();

  /** Calls `listener` with each deployment when it starts. Returns a function that unsubscribes. */
  onDeployment(listener: (deployment: AnyDeployment) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` with each watch when it starts. Returns a function that unsubscribes. */
  onWatch(listener: (watch: AnyWatch) => void): () => void {
    this.#watchListeners.add(listener);
    return () => this.#watchListeners.delete(listener);
  }

  beginWatch(watch: AnyWatch): void {
    this.watches.add(watch);
    for (const listener of this.#watchListeners) listener(watch);
  }

  begin(deployment: AnyDeployment): void {
    this.deployments.add(deployment);
    for (const listener of this.#listeners) listener(deployment);
  }

  /** Closes every connection. Deployments that run through an agent continue on their hosts. */
  close(): Promise<void> {
    return this.connections.close();
  }
}

export const session = new Session();
