import type { Asker } from "./connection/hop";
import type { Deployment } from "./deploy";
import type { FleetReport, Report } from "./report";
import type { Consfig } from "./source/consfig";

type AnyDeployment = Deployment<Report | FleetReport>;

/** What the person's session has in common: one consfig, one terminal, the deployments under way. */
class Session {
  /** The consfig in use; undefined for programs that define their hosts themselves. */
  consfig: Consfig | undefined;
  /** Who answers questions; undefined: nobody, and a question is a refusal. */
  ask: Asker | undefined;
  readonly deployments = new Set<AnyDeployment>();
  readonly #listeners = new Set<(deployment: AnyDeployment) => void>();
  readonly #closers = new Set<() => Promise<void>>();

  /** `listener` hears of each deployment as it begins. Returns what ends that. */
  onDeployment(listener: (deployment: AnyDeployment) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  begin(deployment: AnyDeployment): void {
    this.deployments.add(deployment);
    for (const listener of this.#listeners) listener(deployment);
  }

  /** `close` is called when the session ends. */
  onClose(close: () => Promise<void>): void {
    this.#closers.add(close);
  }

  /** Ends every connection; what runs on hosts goes on there. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#closers].map((close) => close()));
  }
}

export const session = new Session();
