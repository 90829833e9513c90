import { setTimeout as sleep } from "node:timers/promises";
import type { Sources } from "../../model/agent-artifacts";
import type { Cancellation } from "../../model/cancellation";
import { Cancelled, ConnectionFailed } from "../../model/errors";
import type { StepEvent } from "../../model/events";
import { HostEvents } from "../../model/host-events";
import { type Job, type JobOutcome, type JobSignal, stoppedBy } from "../../model/job";

/** The connection to the agent was lost; its deployment continues on the host. */
export class LinkLost extends ConnectionFailed {}

/** Receives the progress of a deployment. */
export interface Listener {
  onEvents(events: readonly StepEvent[]): void;
  onWaiting(reason: string): void;
}

/** The part of `AgentLink` used here. */
interface ReachableAgent {
  deploy(job: Job, sources: Sources, listener: Listener): Promise<JobOutcome>;
  follow(job: Job, sources: Sources, listener: Listener, received: number): Promise<JobOutcome>;
  signal(deployment: string, signal: JobSignal): void;
}

/** Delays before each attempt to reconnect; after the last one the deployment fails. */
const RECONNECT_DELAYS_MS = [100, 500, 1000, 2000, 4000, 8000, 15000, 30000];

export interface ReconnectOptions {
  /** The host's name, for messages. */
  readonly host: string;
  emit(event: StepEvent): void;
  /** Opens the hops to the agent again. Rejects with `ConnectionFailed` when that is not possible now. */
  reopen(): Promise<ReachableAgent>;
  readonly cancellation: Cancellation;
}

/** Has the agent apply `job`. Reconnects when the connection is lost, and then receives the missed events. */
export async function applyReconnecting(
  first: ReachableAgent,
  job: Job,
  sources: Sources,
  options: ReconnectOptions,
): Promise<JobOutcome> {
  let agent = first;
  let signalled: JobSignal | undefined;
  const forward = (signal: JobSignal) => {
    signalled = signal;
    agent.signal(job.deployment, signal);
  };
  return options.cancellation.forwarding(forward, async () => {
    const { host, emit } = options;
    let received = 0;
    const admitted = new HostEvents(host);
    const admit = (event: unknown) => {
      for (const each of admitted.admit(event)) emit(each);
    };
    const listener: Listener = {
      onEvents: (events) => {
        received += events.length;
        for (const event of events) admit(event);
      },
      onWaiting: (reason) => admit({ kind: "waiting", reason }),
    };
    let outcome = agent.deploy(job, sources, listener);
    for (;;) {
      try {
        return await outcome;
      } catch (error) {
        if (!(error instanceof LinkLost)) throw error;
        emit({
          kind: "notice",
          text: `lost the connection to ${host}; the deployment continues there; reconnecting`,
        });
        agent = await reconnected(options, error);
        outcome = agent.follow(job, sources, listener, received);
        // The request may have been lost with the connection.
        if (signalled) agent.signal(job.deployment, signalled);
      }
    }
  });
}

/** A new connection to the agent. Throws `lost` when all attempts have failed. */
async function reconnected(
  { host, reopen, cancellation: { signal } }: ReconnectOptions,
  lost: LinkLost,
): Promise<ReachableAgent> {
  for (const delay of RECONNECT_DELAYS_MS) {
    await sleep(delay, undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      throw new Cancelled(
        `${stoppedBy("cancel")} while ${host} was disconnected; the running step continues there`,
      );
    }
    try {
      return await reopen();
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error;
    }
  }
  throw lost;
}
