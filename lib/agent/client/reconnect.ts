import { setTimeout as sleep } from "node:timers/promises";
import type { Sources } from "../../model/agent-artifacts";
import type { Cancellation } from "../../model/cancellation";
import { Cancelled, ConnectionFailed } from "../../model/errors";
import type { StepEvent } from "../../model/events";
import { type Job, type JobOutcome, type JobSignal, stoppedBy } from "../../model/job";

/** The link to the host was lost; what runs there goes on. */
export class LinkLost extends ConnectionFailed {}

/** How a deployment is heard. */
export interface Listener {
  onEvents(events: readonly StepEvent[]): void;
  onWaiting(reason: string): void;
}

/** What of a link to an agent is needed here. */
interface ReachableAgent {
  deploy(job: Job, sources: Sources, listener: Listener): Promise<JobOutcome>;
  follow(job: Job, sources: Sources, listener: Listener, heard: number): Promise<JobOutcome>;
  signal(deployment: string, signal: JobSignal): void;
}

/** How long to wait before each attempt to open a lost link again; after the last one the host is given up. */
const RECONNECT_MS = [100, 500, 1000, 2000, 4000, 8000, 15000, 30000];

/** Who hears of a job, and how its agent is reached again. */
export interface ReconnectOptions {
  /** The host, for people. */
  readonly host: string;
  emit(event: StepEvent): void;
  /** Opens the hops to the agent anew. Throws `ConnectionFailed` when they cannot be opened now. */
  reopen(): Promise<ReachableAgent>;
  readonly cancellation: Cancellation;
}

/** An agent does the job, and we listen. A lost link is opened again, and what happened meanwhile is heard then. */
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
    let heard = 0;
    const listener: Listener = {
      onEvents: (events) => {
        heard += events.length;
        for (const event of events) emit(event);
      },
      onWaiting: (reason) => emit({ kind: "waiting", reason }),
    };
    let outcome = agent.deploy(job, sources, listener);
    for (;;) {
      try {
        return await outcome;
      } catch (error) {
        if (!(error instanceof LinkLost)) throw error;
        emit({ kind: "notice", text: `lost the link to ${host}; the work there goes on; reconnecting` });
        agent = await reconnected(options, error);
        outcome = agent.follow(job, sources, listener, heard);
        // What was requested while nobody could hear it.
        if (signalled) agent.signal(job.deployment, signalled);
      }
    }
  });
}

/** A new link to the agent, after as many attempts as it takes, or `lost` when the host stays out of reach. */
async function reconnected(
  { host, reopen, cancellation: { signal } }: ReconnectOptions,
  lost: LinkLost,
): Promise<ReachableAgent> {
  for (const wait of RECONNECT_MS) {
    await sleep(wait, undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      throw new Cancelled(
        `${stoppedBy("cancel")} while the link to ${host} was lost; the step that ran goes on there`,
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
