import { setTimeout as sleep } from "node:timers/promises";
import type { Sources } from "../../model/agent-artifacts";
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
interface Followed {
  deploy(job: Job, sources: Sources, listener: Listener): Promise<JobOutcome>;
  follow(job: Job, sources: Sources, listener: Listener, heard: number): Promise<JobOutcome>;
  signal(deployment: string, signal: JobSignal): void;
}

/** How often, and after how long, a lost link is opened again before the host is given up. */
const RECONNECT_MS = [100, 500, 1000, 2000, 4000, 8000, 15000, 30000];

/** Who hears of a job, and how its agent is reached again. */
export interface Following {
  /** The host, for people. */
  readonly host: string;
  emit(event: StepEvent): void;
  /** Opens the way to the agent anew. Throws `ConnectionFailed` when it cannot be opened now. */
  again(): Promise<Followed>;
  readonly signal: AbortSignal;
  /** What passes a signal on to where the work is. */
  readonly workers: Set<(signal: JobSignal) => void>;
}

/** An agent does the job; we listen. When the link is lost it is opened again, and we hear what we missed. */
export async function applyFollowing(
  first: Followed,
  job: Job,
  sources: Sources,
  following: Following,
): Promise<JobOutcome> {
  const { host, emit, workers } = following;
  let agent = first;
  let heard = 0;
  let signalled: JobSignal | undefined;
  const listener = {
    onEvents: (events: readonly StepEvent[]) => {
      heard += events.length;
      for (const event of events) emit(event);
    },
    onWaiting: (reason: string) => emit({ kind: "waiting", reason }),
  };
  const pass = (signal: JobSignal) => {
    signalled = signal;
    agent.signal(job.deployment, signal);
  };
  workers.add(pass);
  try {
    let outcome = agent.deploy(job, sources, listener);
    for (;;) {
      try {
        return await outcome;
      } catch (error) {
        if (!(error instanceof LinkLost)) throw error;
        emit({
          kind: "notice",
          text: `the link to ${host} was lost; the work there goes on, connecting again`,
        });
        agent = await reached(following, error);
        outcome = agent.follow(job, sources, listener, heard);
        // What was said while nobody could hear it.
        if (signalled) agent.signal(job.deployment, signalled);
      }
    }
  } finally {
    workers.delete(pass);
  }
}

/** A new link to the agent, after as many tries as it takes, or `lost` when the host stays out of reach. */
async function reached({ host, again, signal }: Following, lost: LinkLost): Promise<Followed> {
  for (const wait of RECONNECT_MS) {
    await sleep(wait, undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      throw new Cancelled(
        `${stoppedBy("cancel")} while the link to ${host} was lost; the step that ran goes on there`,
      );
    }
    try {
      return await again();
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error;
    }
  }
  throw lost;
}
