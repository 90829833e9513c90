import { appliedHere, definitionOf } from "../model/application";
import { AbortedChange, Cancelled } from "../model/errors";
import type { Resumption } from "../model/job";
import type { PropApp } from "../model/property";
import { isSequence } from "./sequence";

/** What has been done when an agent takes over, but for the events. */
export type Done = Omit<Resumption, "events">;

/** Where the agent is that is to take over. */
export interface ArrivingAgent {
  /** Resolves when the agent is there; rejects when it cannot be started. */
  readonly arrival: Promise<unknown>;
  /** The same, for a deployment that can do nothing else meanwhile. */
  arrived(): Promise<unknown>;
  /** False once the link to the host is lost. */
  readonly alive: boolean;
}

/**
 * Lets an agent take over a deployment that has begun over a shell: between two applications of a sequence as soon as the
 * agent is there, before the first one that needs it, and when the link is lost. The run over the shell stays where it is
 * then, for ever.
 */
export class TakeOver {
  /** Holds the host for the agent, too, which goes on. To be released afterwards. */
  lock: { readonly hosts: readonly string[]; release(): void } | undefined;
  #done: Done | undefined;
  readonly #taken = Promise.withResolvers<void>();
  #isReady = false;
  #isMissing = false;

  constructor(private readonly agent: ArrivingAgent) {
    agent.arrival.then(
      () => {
        this.#isReady = true;
      },
      () => {
        this.#isMissing = agent.alive;
      },
    );
  }

  /** False: the agent could not be started, so a lost link is the end. */
  get outlivesLink(): boolean {
    return !this.#isMissing;
  }

  /** What the agent goes on after; undefined unless it does. */
  get done(): Done | undefined {
    return this.#done;
  }

  /** Resolves when the agent is to go on. */
  get taken(): Promise<void> {
    return this.#taken.promise;
  }

  /** Call before `application` in a sequence. Does not return if the agent goes on there. */
  async before(application: PropApp, done: () => Done): Promise<void> {
    if (this.#isReady || (needsAgent(application) && (await this.#arrives(application))))
      await this.goOn(done());
  }

  /** Has the agent go on after what is `done`. Does not return. */
  goOn(done: Done): Promise<never> {
    this.#done = done;
    this.#taken.resolve();
    return new Promise(() => {});
  }

  async #arrives(application: PropApp): Promise<boolean> {
    try {
      await this.agent.arrived();
    } catch (error) {
      if (error instanceof Cancelled) throw error;
      if (!this.agent.alive) return true;
      const { property, site } = agentOnly(application) ?? {};
      // What is nested is tried over the shell.
      if (property === undefined) return false;
      throw new AbortedChange(`${property} at ${site} needs the agent: ${(error as Error).message}`);
    }
    return true;
  }
}

/** Whether the deployment over the shell cannot do `application`. A sequence is begun: what is inside it is asked again. */
function needsAgent(application: PropApp): boolean {
  if (isSequence(application)) return false;
  return [...appliedHere(application)].some(({ nested }) => nested) || agentOnly(application) !== undefined;
}

const agentOnly = (application: PropApp): PropApp | undefined =>
  [...appliedHere(application)].find(({ property }) => definitionOf(property).kind === "agent");
