/**
 * The door for what comes from a host: everything is checked, cut and cleaned here before it is stored or shown.
 * `HostEvents` admits the events that arrive over a link, where the other end may lie; `cleanEvent` cleans the text of
 * events that are made here from the output of a host.
 */

import { cleanLine, cleanText, visibleText } from "../util/clean-text";
import { EXCERPT } from "../util/excerpt";
import {
  boolean,
  boundSteps,
  cleanFields,
  cut,
  diff,
  exitCode,
  type Field,
  type Fields,
  integer,
  isObject,
  isText,
  line,
  lines,
  number,
  object,
  oneOf,
  optional,
  plannedActs,
  shown,
  stack,
  text,
  wrongField,
} from "./_event-fields";
import type { HostChange } from "./changes";
import { FailedChange, type Failure } from "./errors";
import type { DeployEvent, StepEvent } from "./events";
import type { JobOutcome } from "./job";
import { MOST_PATHS } from "./plan";
import { type Cell, MOST_ROWS, type Row } from "./rows";

export { isCount } from "./_event-fields";

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

const printed = text(2 * EXCERPT + 1000);
const failureFields: Fields = {
  name: line(100),
  message: text(16 * 1024 + 1),
  stack: optional(stack),
  command: optional(
    object({ command: text(16 * 1024 + 1), exit: exitCode, stdout: printed, stderr: printed }),
  ),
};
const failure = optional(object(failureFields));
const step = integer;

const integers: Field = {
  expected: "a list of integers",
  accepts: (value) => Array.isArray(value) && value.length <= 1000 && value.every(Number.isSafeInteger),
};
const fromTo = (side: Field): Field => optional(object({ from: optional(side), to: optional(side) }));

const CHANGE_FIELDS: { readonly [K in HostChange["kind"]]: Fields } = {
  file: {
    change: line(20),
    path: line(4096),
    type: line(20),
    content: optional(
      object({
        form: oneOf("diff", "secret", "binary", "large"),
        diff: optional(diff),
        added: optional(integer),
        removed: optional(integer),
        cut: optional(boolean),
        size: fromTo(integer),
        sha256: fromTo(line(64)),
      }),
    ),
    mode: fromTo(integer),
    owner: fromTo(line(100)),
    link: fromTo(line(4096)),
    renamed: optional(line(4096)),
    digest: optional(line(64)),
  },
  package: { name: line(200), version: object({ from: optional(line(200)), to: optional(line(200)) }) },
  account: { change: line(20), name: line(200), detail: optional(line(1000)) },
  group: { change: line(20), name: line(200), detail: optional(line(1000)) },
  unit: { unit: line(300), change: line(20) },
  mount: { change: line(20), path: line(4096) },
  command: { command: text(2000) },
};

const fieldsOfChange = (value: unknown): Fields | undefined =>
  isObject(value) && isText(value["kind"]) && Object.hasOwn(CHANGE_FIELDS, value["kind"])
    ? CHANGE_FIELDS[value["kind"] as HostChange["kind"]]
    : undefined;

const change: Field = {
  expected: "a change of a host",
  accepts: (value) => {
    const fields = fieldsOfChange(value);
    return fields !== undefined && wrongField(value as Record<string, unknown>, fields) === undefined;
  },
  clean: (value: HostChange) => ({
    kind: value.kind,
    ...cleanFields(value as never, CHANGE_FIELDS[value.kind]),
  }),
};

const list = (field: Field): Field => ({
  expected: "a list",
  accepts: (value) => Array.isArray(value) && value.every((each) => field.accepts(each)),
  clean: (value: readonly unknown[]) => value.map((each) => field.clean?.(each as never) ?? each),
});

const rehearsal = object({
  ok: boolean,
  changes: list(change),
  counted: list(object({ directory: line(4096), files: integer })),
  units: list(object({ unit: line(300), state: line(200), healthy: boolean })),
  notTried: list(line(2000)),
  cloneMs: number,
  memory: number,
});

const paths: Field = {
  expected: `a list of at most ${MOST_PATHS} paths`,
  accepts: (value) => Array.isArray(value) && value.length <= MOST_PATHS && value.every(isText),
  clean: (value: readonly string[]) => value.map((each) => visibleText(cut(each, 4096))),
};

const plan = object({
  answer: oneOf("holds", "would change", "depends", "would fail", "unknown"),
  dependsOn: optional(integers),
  reason: optional(text(4000)),
  open: optional(boolean),
  paths: optional(paths),
});

const cell = (value: unknown): boolean =>
  value === null ||
  isText(value) ||
  typeof value === "boolean" ||
  Number.isFinite(value) ||
  (Array.isArray(value) && value.every(isText));
const cleanCell = (value: Cell): Cell =>
  isText(value) ? visibleText(value) : Array.isArray(value) ? value.map((each) => visibleText(each)) : value;

const rows: Field = {
  expected: `a list of at most ${MOST_ROWS} rows`,
  accepts: (value) =>
    Array.isArray(value) &&
    value.length <= MOST_ROWS &&
    value.every((row) => isObject(row) && Object.values(row).every(cell)),
  clean: (value: readonly Row[]) =>
    value.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, each]) => [cleanName(name), cleanCell(each)])),
    ),
};

const FIELDS: { readonly [K in DeployEvent["kind"]]: Fields } = {
  "deployment-started": {
    at: line(100),
    hops: lines,
    steps: number,
    plan: optional(boolean),
    rehearsal: optional(boolean),
    diff: optional(boolean),
    verbose: optional(boolean),
  },
  rehearsed: { rehearsal },
  "deployment-ended": { status: line(100), ms: number, failure },
  "hop-opening": { hop: line(1000) },
  "hop-opened": { hop: line(1000), ms: number, reused: boolean },
  upload: { what: line(200), sent: number, total: number },
  waiting: { reason: line(2000) },
  notice: { text: text(16 * 1024) },
  "step-started": { step, parent: optional(step), property: line(200), desc: line(2000), site: line(1000) },
  "step-output": { step, stream: oneOf("stdout", "stderr"), text: printed },
  "step-preview": { step, text: line(1000) },
  "command-ran": { step: optional(step), command: text(2000), exit: optional(exitCode), ms: number },
  "step-changed": { step, change },
  "step-rows": { step, rows },
  "step-ended": {
    step,
    status: oneOf("unchanged", "changed", "failed", "skipped"),
    ms: number,
    reason: optional(line(2000)),
    failure,
    plan: optional(plan),
  },
};

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

/** A name that a host gives, such as that of a user. */
export const cleanName = (name: string): string => cleanLine(cut(name, 200));

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
