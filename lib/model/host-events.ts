/**
 * The door for what comes from a host: everything is checked, cut and cleaned here before it is stored or shown.
 * `HostEvents` admits the events that arrive over a link, where the other end may lie; `cleanEvent` cleans the text of
 * events that are made here from the output of a host.
 */

import { cleanText } from "../util/clean-text";
import {
  boolean,
  boundSteps,
  cleanFields,
  cut,
  type Fields,
  isObject,
  isText,
  line,
  object,
  oneOf,
  optional,
  plannedActs,
  shown,
  text,
  wrongField,
} from "./_event-fields";
import { cleanName, FIELDS, failure, failureFields } from "./_event-shapes";
import { FailedChange, type Failure } from "./errors";
import type { DeployEvent, StepEvent } from "./events";
import type { JobOutcome } from "./job";

export { isCount } from "./_event-fields";
export { cleanName } from "./_event-shapes";

/** What one host may send for one deployment. Documented in docs/reliability.md. */
export const HOST_LIMITS = {
  /** Characters of output that are kept; the rest is left out, and a notice says so. */
  output: 64 * 1024 * 1024,
  /** Characters of everything else, each event counted with EVENT_SIZE more. */
  held: 64 * 1024 * 1024,
  /** Characters of output of one step: an agent shortens more than 1 MB itself. */
  stepOutput: 8 * 1024 * 1024,
  steps: 100_000,
  /** Steps inside steps. */
  depth: 100,
} as const;

/** The memory of an event besides its text, about. */
const EVENT_SIZE = 200;

/** The other end sent what the protocol does not allow, or too much: it is not listened to any longer. */
export class ProtocolViolation extends FailedChange {}

/** `event` with its text cut and cleaned, and without any field that it should not have. */
export const cleanEvent = <E extends StepEvent>(event: E): E =>
  ({ kind: event.kind, ...cleanFields(event as never, FIELDS[event.kind]) }) as unknown as E;

/** `event` as it is shown: `cleanEvent`, with its host and deployment. */
export const cleanDeployEvent = <E extends DeployEvent>(event: E): E => {
  const { host, deployment } = event;
  return { host: cleanName(host), deployment: cleanName(deployment), ...(cleanEvent(event) as object) } as E;
};

export const cleanFailure = (given: Failure): Failure => cleanFields(given as never, failureFields) as never;

/** The outcome of a job as it arrived; its shape has been checked, except for the fields below. */
export function cleanOutcome(outcome: JobOutcome): JobOutcome {
  const { change, failed, cancelled } = outcome;
  const more: Fields = {
    uncertain: optional(boolean),
    boot: optional(line(64)),
    rebootsFrom: optional(line(64)),
    acts: optional(plannedActs),
    deviated: optional(object({ reason: line(2000), steps: boundSteps })),
    failure,
    broken: optional(oneOf("failed", "aborted")),
    expected: optional(object({ name: line(100), message: text(16 * 1024), touched: boolean })),
  };
  const wrong = wrongField(outcome as never, more);
  if (wrong) throw new ProtocolViolation(`an outcome whose ${wrong}`);
  return { change, failed, cancelled, ...cleanFields(outcome as never, more) };
}

/** A sentence of a host, such as the reason of a refusal. */
export const cleanReason = (reason: string): string => cleanText(cut(reason, 4000));

/** Admits the events of one deployment on one host, over all links to it. */
export class HostEvents {
  readonly #depths = new Map<number, number>();
  readonly #printed = new Map<number, number>();
  readonly #ended = new Set<number>();
  #held = 0;
  #output = 0;
  #leftOut = false;

  constructor(private readonly host: string) {}

  /** What to show of `event`. Throws `ProtocolViolation`. */
  admit(event: unknown): readonly StepEvent[] {
    const clean = this.#inOrder(cleanEvent(this.#checked(event)));
    if (!clean) return [];
    const output = this.#withinOutput(clean);
    this.#hold(output);
    return output;
  }

  #checked(event: unknown): StepEvent {
    if (!isObject(event)) throw new ProtocolViolation(`an event that is ${shown(event)}`);
    const { kind } = event;
    if (!isText(kind) || !Object.hasOwn(FIELDS, kind) || OWN_EVENTS.includes(kind))
      throw new ProtocolViolation(`an event of the kind ${shown(kind)}`);
    const wrong = wrongField(event, FIELDS[kind as StepEvent["kind"]]);
    if (wrong) throw new ProtocolViolation(`an event "${kind}" whose ${wrong}`);
    return event as unknown as StepEvent;
  }

  /** Undefined for an event of an unknown step: its start may be lost, when the disk of the host was full. */
  #inOrder(event: StepEvent): StepEvent | undefined {
    if (event.kind === "step-started") {
      const { parent, ...rest } = event;
      const isInside = parent !== undefined && this.#depths.has(parent);
      this.#start(event.step, parent);
      return isInside ? event : rest;
    }
    if (!("step" in event) || event.step === undefined) return event;
    if (!this.#depths.has(event.step)) return undefined;
    if (event.kind !== "step-ended") return event;
    if (this.#ended.has(event.step)) throw new ProtocolViolation(`the end of step ${event.step} twice`);
    this.#ended.add(event.step);
    return event;
  }

  #start(started: number, parent: number | undefined): void {
    if (this.#depths.has(started)) throw new ProtocolViolation(`the start of step ${started} twice`);
    const around = (parent !== undefined && this.#depths.get(parent)) || 0;
    if (around >= HOST_LIMITS.depth)
      throw new ProtocolViolation(`steps inside steps, over the limit of ${HOST_LIMITS.depth}`);
    if (this.#depths.size >= HOST_LIMITS.steps)
      throw new ProtocolViolation(`more than the limit of ${HOST_LIMITS.steps} steps`);
    this.#depths.set(started, around + 1);
  }

  /** `event` without output that is over the limit. */
  #withinOutput(event: StepEvent): readonly StepEvent[] {
    if (event.kind === "step-output") {
      const ofStep = (this.#printed.get(event.step) ?? 0) + event.text.length;
      this.#printed.set(event.step, ofStep);
      if (ofStep > HOST_LIMITS.stepOutput)
        throw new ProtocolViolation(
          `more output of step ${event.step} than the limit of ${HOST_LIMITS.stepOutput} characters`,
        );
      return this.#hasRoom(event.text.length + EVENT_SIZE) ? [event] : this.#leaveOut();
    }
    if (event.kind !== "step-ended" || !event.failure?.command) return [event];
    const { command } = event.failure;
    if (this.#hasRoom(command.stdout.length + command.stderr.length)) return [event];
    const without = { ...event.failure, command: { ...command, stdout: "", stderr: "" } };
    return [...this.#leaveOut(), { ...event, failure: without }];
  }

  #hasRoom(size: number): boolean {
    if (this.#output + size > HOST_LIMITS.output) return false;
    this.#output += size;
    return true;
  }

  #leaveOut(): readonly StepEvent[] {
    if (this.#leftOut) return [];
    this.#leftOut = true;
    const megabytes = HOST_LIMITS.output / 1024 / 1024;
    return [
      {
        kind: "notice",
        text: `${this.host} printed more than ${megabytes} MB in this deployment; some of the output is not shown`,
      },
    ];
  }

  #hold(events: readonly StepEvent[]): void {
    for (const event of events) if (event.kind !== "step-output") this.#holdSize(sizeOf(event));
  }

  #holdSize(size: number): void {
    this.#held += size;
    if (this.#held > HOST_LIMITS.held)
      throw new ProtocolViolation(
        `more than the limit of ${HOST_LIMITS.held / 1024 / 1024} MB of events in one deployment`,
      );
  }
}

/** Only the controller itself begins and ends a deployment, and sees a clone from outside. */
const OWN_EVENTS: readonly string[] = [
  "deployment-started",
  "rehearsed",
  "deployment-ended",
] satisfies DeployEvent["kind"][];

/** Without the output of a failed command, which is counted as output. */
function sizeOf(event: StepEvent): number {
  let size = EVENT_SIZE;
  if (event.kind === "step-changed") size += JSON.stringify(event.change).length;
  if (event.kind === "step-rows") size += JSON.stringify(event.rows).length;
  for (const value of Object.values(event)) if (isText(value)) size += value.length;
  if ("failure" in event && event.failure) {
    const { message, stack: frames = "", command } = event.failure;
    size += message.length + frames.length + (command?.command.length ?? 0);
  }
  return size;
}
