import type { AgentConnection } from "../agent/client/connection";
import type { AgentLink } from "../agent/client/link";
import { reopened } from "../agent/client/reconnect";
import { AGENT_DIRECTORY } from "../agent/client/running";
import type { JournalLine } from "../agent/shared/journal-line";
import { TakeOver } from "../engine/take-over";
import { requiredBy } from "../model/application";
import type { Cancellation } from "../model/cancellation";
import { ConnectionFailed } from "../model/errors";
import type { StepEvent } from "../model/events";
import type { JobOutcome, Resumption } from "../model/job";
import type { Nested } from "../model/property";
import { controllerArtifacts } from "./artifacts";

/** A deployment to a host that has no agent yet. */
export interface Contact {
  readonly host: string;
  readonly deployment: string;
  readonly by: string;
  readonly work: Nested;
  readonly connection: AgentConnection;
  readonly cancellation: Cancellation;
  emit(event: StepEvent): void;
  applyOverShell(takeOver: TakeOver, emit: (event: StepEvent) => void): Promise<JobOutcome>;
  /** `held`: the hosts that this deployment holds already. */
  handOver(
    agent: AgentLink,
    resumed: Resumption | undefined,
    held: readonly string[] | undefined,
  ): Promise<JobOutcome>;
  /** Connects again to the agent, or to where it is to arrive. */
  reopen(signal: AbortSignal): Promise<AgentLink>;
}

/**
 * Begins over the shell while the agent is on its way, which then goes on. If the agent cannot be started, the shell does
 * what it can.
 */
export class FirstContact {
  readonly #at = new Date().toISOString();
  readonly #events: StepEvent[] = [];

  constructor(private readonly contact: Contact) {}

  async perform(): Promise<JobOutcome> {
    const { connection, cancellation, applyOverShell, handOver, host } = this.contact;
    const { parent, arrival } = connection;
    const takeOver = new TakeOver({
      arrival: this.#prepareAgent(),
      arrived: () => cancellation.unlessRequested(connection.arrived()),
      get alive() {
        return parent.alive;
      },
    });
    arrival.catch(({ message }: Error) => {
      if (parent.alive)
        this.#notice(
          `${host} is deployed to over the shell, because its agent could not be started: ${message}`,
        );
    });
    const outcome = await applyOverShell(takeOver, (event) => this.#emit(event)).catch((error: unknown) => {
      // In a step, that would be left to the agent, so nothing was done yet: the host may allow one session only.
      if (error instanceof ConnectionFailed && takeOver.outlivesLink) return undefined;
      throw error;
    });
    const { done } = takeOver;
    if (outcome && !done) {
      void this.#enterInJournal(outcome).catch(() => {});
      return outcome;
    }
    try {
      const agent = await this.#arrived();
      // A lost link has let go of the host.
      const held = parent.alive ? takeOver.lock?.hosts : undefined;
      return await handOver(agent, done && { ...done, events: this.#events }, held);
    } finally {
      takeOver.lock?.release();
    }
  }

  /** Resolves when the agent is there, and has what it needs for this deployment and the next. */
  async #prepareAgent(): Promise<void> {
    const agent = await this.contact.connection.arrival;
    await agent.push(this.#sources(agent));
  }

  async #arrived(): Promise<AgentLink> {
    const { connection, cancellation, host, reopen } = this.contact;
    try {
      return await cancellation.unlessRequested(connection.arrived());
    } catch (lost) {
      if (connection.parent.alive) throw lost;
      this.#notice(`lost the connection to ${host}; the deployment goes on when it is back; reconnecting`);
      const opening = (signal: AbortSignal) => {
        cancellation.throwIfRequested();
        return cancellation.unlessRequested(reopen(signal));
      };
      return reopened(lost as Error, { reopen: opening, cancellation });
    }
  }

  /** Enters a deployment that was over before the agent was there, as its worker would have. */
  async #enterInJournal(outcome: JobOutcome): Promise<void> {
    const { connection, deployment, by, host } = this.contact;
    await connection.arrival;
    const lines: readonly JournalLine[] = [
      { started: { host, by, at: this.#at, socket: "" } },
      ...this.#events.map((event, n) => ({ n, event })),
      { outcome },
    ];
    const channel = await connection.parent.exec(
      `umask 077; cd ${AGENT_DIRECTORY}/journal && cat >${deployment}`,
    );
    channel.stdin.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    for (const stream of [channel.stdout, channel.stderr]) stream.resume();
    await channel.exit;
  }

  #sources(agent: AgentLink): ReturnType<AgentLink["sources"]> {
    return agent.sources(controllerArtifacts, ...requiredBy(this.contact.work));
  }

  #notice(text: string): void {
    this.#emit({ kind: "notice", text });
  }

  #emit(event: StepEvent): void {
    this.#events.push(event);
    this.contact.emit(event);
  }
}
