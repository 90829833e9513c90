import { setTimeout as sleep } from "node:timers/promises";
import type { Sources } from "../../model/agent-artifacts";
import type { Cancellation } from "../../model/cancellation";
import { Cancelled, ConnectionFailed } from "../../model/errors";
import type { StepEvent } from "../../model/events";
import { HostEvents } from "../../model/host-events";
import { type Job, type JobOutcome, type JobSignal, stoppedBy } from "../../model/job";
import type { Question, Reply } from "../../model/questions";

/** The connection to the agent was lost; its deployment continues on the host. */
export class LinkLost extends ConnectionFailed {}

/** Receives the progress of a deployment. */
export interface Listener {
  onEvents(events: readonly StepEvent[]): void;
  onWaiting(reason: string): void;
  /** `reply` sends the answer over the connection on which the question came. */
  onQuestion(number: number, question: Question, reply: (reply: Reply) => void): void;
}

/** The part of `AgentLink` used here. */
interface ReachableAgent {
  deploy(job: Job, sources: Sources, listener: Listener): Promise<JobOutcome>;
  follow(job: Job, sources: Sources, listener: Listener, received: number): Promise<JobOutcome>;
  signal(deployment: string, signal: JobSignal): void;
}

/** Delays before each attempt to reconnect; after the last one the deployment fails. */
const RECONNECT_DELAYS_MS = [100, 500, 1000, 2000, 4000, 8000, 15000, 30000];
/** After a cancellation, attempts are made at this interval, for this long. */
const CANCEL_DELAY_MS = 1000;
const MAX_CANCEL_RETRY_MS = 10 * 60 * 1000;
/** Connections that end before they have brought an event, in a row, before the deployment fails. */
const MAX_FRUITLESS = 6;
/** Connections that end soon, in a row, although they have brought events. */
const MAX_SHORT = 20;
const SHORT_MS = 10_000;
/** A connection that lasted this long was no failed attempt: a step may be silent. */
const LASTING_MS = 30_000;
/** Time that the host has to confirm a cancellation: it needs less, whatever its step does. */
const CONFIRM_MS = 5000;

const never = new AbortController().signal;

/** Answers the questions of a deployment. Never rejects; a question that is put again gets the same answer. */
export interface Answering {
  to(number: number, question: Question): Promise<Reply>;
}

export interface ReconnectOptions {
  /** The host's name, for messages. */
  readonly host: string;
  emit(event: StepEvent): void;
  readonly answers: Answering;
  /** Opens the hops to the agent again. Rejects with `ConnectionFailed` when that is not possible now. */
  reopen(signal: AbortSignal): Promise<ReachableAgent>;
  readonly cancellation: Cancellation;
}

/** Has the agent apply `job`. Reconnects when the connection is lost, and then receives the missed events. */
export const applyReconnecting = (
  first: ReachableAgent,
  job: Job,
  sources: Sources,
  options: ReconnectOptions,
): Promise<JobOutcome> => new Followed(first, job, sources, options).outcome();

/** A deployment that is followed over one connection after the other. */
class Followed {
  #agent: ReachableAgent | undefined;
  #signalled: JobSignal | undefined;
  #received = 0;
  #fruitless = 0;
  #short = 0;
  /** True: the report was given without the host's confirmation; the cancellation is still to be sent. */
  #unconfirmed = false;
  #deadline: NodeJS.Timeout | undefined;
  readonly #admitted: HostEvents;
  readonly #lateCancel = Promise.withResolvers<never>();

  constructor(
    first: ReachableAgent,
    private readonly job: Job,
    private readonly sources: Sources,
    private readonly options: ReconnectOptions,
  ) {
    this.#agent = first;
    this.#admitted = new HostEvents(options.host);
    const { events = [] } = job.resumed ?? {};
    this.#received = events.length;
    for (const event of events) this.#admitted.admit(event);
    this.#lateCancel.promise.catch(() => {});
  }

  outcome(): Promise<JobOutcome> {
    const follow = () => Promise.race([this.#follow(), this.#lateCancel.promise]);
    return this.options.cancellation
      .forwarding((signal) => this.#signal(signal), follow)
      .finally(() => clearTimeout(this.#deadline));
  }

  /** A signal is sent on every connection until the host has confirmed it. */
  #signal(signal: JobSignal): void {
    this.#signalled = signal;
    this.#agent?.signal(this.job.deployment, signal);
    if (signal === "cancel") this.#deadline ??= setTimeout(() => this.#giveBack(), CONFIRM_MS);
  }

  /** Gives the report without the host's confirmation. The signal is sent when the host can be reached again. */
  #giveBack(): void {
    this.#unconfirmed = true;
    const { host } = this.options;
    const force = `\`.agents stop --force ${host}\` ends it`;
    this.#lateCancel.reject(
      new Cancelled(
        this.#agent
          ? `${stoppedBy("cancel")}, but ${host} has not confirmed it within ${CONFIRM_MS / 1000} s: it may still run there; ${force}`
          : `${stoppedBy("cancel")} while ${host} could not be reached: it goes on there until the connection is back, which this session tries to reopen; later, ${force}`,
      ),
    );
  }

  async #follow(): Promise<JobOutcome> {
    const { host } = this.options;
    const listener: Listener = {
      onEvents: (events) => {
        this.#received += events.length;
        for (const event of events) this.#admit(event);
      },
      onWaiting: (reason) => this.#admit({ kind: "waiting", reason }),
      onQuestion: (number, question, reply) => void this.options.answers.to(number, question).then(reply),
    };
    let agent = this.#agent as ReachableAgent;
    let outcome = agent.deploy(this.job, this.sources, listener);
    for (;;) {
      const [opened, before] = [performance.now(), this.#received];
      try {
        return await outcome;
      } catch (error) {
        if (!(error instanceof LinkLost)) throw error;
        this.#agent = undefined;
        this.#count(performance.now() - opened, this.#received > before);
        this.#emit({
          kind: "notice",
          text: `lost the connection to ${host}; the deployment continues there; reconnecting`,
        });
        agent = await this.#reconnected(error);
        this.#agent = agent;
        outcome = agent.follow(this.job, this.sources, listener, this.#received);
        // It may have been lost with the connection, or come while there was none.
        if (this.#signalled) agent.signal(this.job.deployment, this.#signalled);
      }
    }
  }

  /** Passes on what the host reports, as far as it is valid. */
  #admit(event: unknown): void {
    for (const each of this.#admitted.admit(event)) this.#emit(each);
  }

  #emit(event: StepEvent): void {
    if (!this.#unconfirmed) this.options.emit(event);
  }

  /** Throws when further connections would end like the last ones. */
  #count(lasted: number, progress: boolean): void {
    this.#fruitless = progress || lasted > LASTING_MS ? 0 : this.#fruitless + 1;
    this.#short = lasted > SHORT_MS ? 0 : this.#short + 1;
    const times = this.#fruitless > MAX_FRUITLESS ? this.#fruitless : this.#short;
    if (this.#fruitless <= MAX_FRUITLESS && this.#short <= MAX_SHORT) return;
    const { host } = this.options;
    throw new ConnectionFailed(
      "via.agent()",
      `the connection to ${host} ended ${times} times in a row, each time soon after it was opened; the deployment may go on there: \`.log ${host}\` shows how it ended, and ~/.cache/consfigurator/agent/log on the host why the agent did`,
    );
  }

  /** A new connection to the agent. Throws `lost` when all attempts have failed. */
  #reconnected(lost: LinkLost): Promise<ReachableAgent> {
    const delays = RECONNECT_DELAYS_MS.slice(Math.max(0, this.#fruitless - 1));
    return reopened(lost, this.options, { delays, isWaitedFor: () => !this.#unconfirmed });
  }
}

/** What `reopen` opens, as soon as it can. Throws `lost` when all attempts have failed. */
export async function reopened<T>(
  lost: Error,
  { reopen, cancellation }: { reopen(signal: AbortSignal): Promise<T>; readonly cancellation: Cancellation },
  { delays = RECONNECT_DELAYS_MS, isWaitedFor = (): boolean => true } = {},
): Promise<T> {
  const until = performance.now() + MAX_CANCEL_RETRY_MS;
  for (let index = 0; ; index++) {
    const { aborted } = cancellation.signal;
    const delay = aborted ? CANCEL_DELAY_MS : delays[index];
    if (delay === undefined || performance.now() > until) throw lost;
    // A cancellation is to arrive as soon as possible, so it ends the wait.
    const ending = { ...(!aborted && { signal: cancellation.signal }), ref: isWaitedFor() };
    await sleep(delay, undefined, ending).catch(() => {});
    const signal = cancellation.signal.aborted ? never : cancellation.signal;
    try {
      return await reopen(signal);
    } catch (error) {
      // The attempt was ended by the cancellation, which needs another one.
      if (signal !== never && signal.aborted) continue;
      if (!(error instanceof ConnectionFailed)) throw error;
    }
  }
}
