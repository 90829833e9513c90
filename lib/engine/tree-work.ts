import { createHash } from "node:crypto";
import { HostModel } from "../model/host-facts";
import type { JobOutcome, PlanOrigin } from "../model/job";
import { Findings } from "../model/plan";
import type { Nested } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { TargetBase } from "../target/base";
import type { TargetContext } from "../target/context";
import { LocalTarget } from "../target/local/target";
import { WORK } from "../target/memory";
import { PlannedHost } from "../target/planning/host";
import { PlanningTarget } from "../target/planning/target";
import { ShellTarget } from "../target/shell/target";
import { applyTree } from "./apply";
import type { DeploymentContext, Emit, Origin } from "./deployment-context";
import type { ApplyContext, AtEnd, StepListener } from "./run";
import { onUnhandledError } from "./unhandled-errors";
import { settledOrLeft } from "./unsettled";

/** Runs a deployment nested in this one, with what differs in its context. */
export type Nest = (nested: Nested, emit: Emit, more: Partial<DeploymentContext>) => Promise<JobOutcome>;

type Memory = Map<string, unknown>;

/** Applies or plans one tree at `origin`, in this process. */
export class TreeWork {
  readonly #host: HostModel;
  readonly #entries: Readonly<Record<string, unknown>>;

  /** `remembered`: what the targets of its steps have in their memory. */
  constructor(
    private readonly work: Nested,
    private readonly origin: Origin,
    private readonly context: DeploymentContext,
    private readonly emit: Emit,
    private readonly nest: Nest,
    remembered: Readonly<Record<string, unknown>> = {},
  ) {
    this.#host = new HostModel(work.host);
    this.#entries = { ...remembered, [WORK]: work };
  }

  perform(): Promise<JobOutcome> {
    return this.context.plan ? this.#plan(this.context.plan) : this.#apply();
  }

  async #plan(plan: PlanOrigin): Promise<JobOutcome> {
    const planning = this.#planning(new PlannedHost(plan.after), this.emit);
    const outcome = await this.#settled(applyTree(this.work.application, planning));
    return { ...outcome, ...(plan.key !== undefined && { boot: await this.#boot() }) };
  }

  async #apply(): Promise<JobOutcome> {
    await this.#reportReboot();
    const { bound } = this.context;
    const [atEnd, memory]: [AtEnd, Memory] = [new Map(), this.#newMemory()];
    let over = false;
    const applying = applyTree(this.work.application, {
      ...this.#common(atEnd),
      target: (listener) =>
        this.#onHost({ ...this.#targetContext(listener, atEnd, memory), changed: listener.changed }),
      emit: (event) => over || this.emit(event),
      ...(this.origin.ownProcess && { onUnhandledError }),
      ...(bound && { bound, planned: (emit: Emit) => this.#planning(new PlannedHost(), emit) }),
      nest: (nested, emit, { within }) =>
        this.nest(nested, emit, { bound: bound && within !== undefined ? { ...bound, within } : bound }),
    });
    try {
      return await this.#settled(applying);
    } finally {
      over = true;
    }
  }

  /** The context in which steps are planned on `planned`, with a memory and work for the end of its own. */
  #planning(planned: PlannedHost, emit: Emit): ApplyContext {
    const [atEnd, memory]: [AtEnd, Memory] = [new Map(), this.#newMemory()];
    const { plan } = this.context;
    return {
      ...this.#common(atEnd),
      target: (listener) => {
        const onHost = this.#targetContext(listener, atEnd, memory);
        const { changed, findings = new Findings(0) } = listener;
        return new PlanningTarget(this.#onHost(onHost), { ...onHost, changed }, planned, findings);
      },
      plans: true,
      emit,
      nest: (nested, emitNested, { after }) => {
        const key = plan?.key !== undefined && { key: plan.key };
        return this.nest(nested, emitNested, { plan: { ...planned.originAfter(after), ...key } });
      },
    };
  }

  #common(atEnd: AtEnd): Pick<ApplyContext, "stopped" | "expected" | "atEnd"> {
    return { stopped: () => this.context.cancellation.reason, expected: this.work.expected, atEnd };
  }

  #targetContext(listener: StepListener, atEnd: AtEnd, memory: Memory): TargetContext {
    const { cancellation, verbose, plan, bound } = this.context;
    return {
      host: this.#host,
      signal: cancellation.signal,
      output: listener.output,
      ...(verbose && { ran: listener.ran }),
      atEnd: (key, act) => void atEnd.set(key, act),
      memory,
      digestKey: plan?.key ?? bound?.key,
    };
  }

  #onHost(context: TargetContext): TargetBase {
    const { ownProcess, connection } = this.origin;
    return ownProcess ? new LocalTarget(context) : new ShellTarget(connection, context);
  }

  #newMemory(): Memory {
    return new Map(Object.entries(this.#entries));
  }

  /** A worker that does not end is killed; what does not end in this process is left. */
  #settled(applying: Promise<JobOutcome>): Promise<JobOutcome> {
    return this.origin.ownProcess ? applying : settledOrLeft(applying, this.context.cancellation.signal);
  }

  /** Says that the host is not as it was when it was planned. */
  async #reportReboot(): Promise<void> {
    const { bound } = this.context;
    if (bound?.boot === undefined || bound.within !== undefined || bound.boot === (await this.#boot()))
      return;
    const text = `${this.#host.name} was rebooted or reinstalled since it was planned`;
    this.emit({ kind: "notice", text });
  }

  #boot(): Promise<string> {
    const quiet = { output: () => {}, ran: () => {}, changed: () => {}, findings: undefined };
    return bootOf(this.#onHost(this.#targetContext(quiet, new Map(), new Map())));
  }
}

/** What tells one boot of one installation from another; the same everywhere that the host does not say. */
async function bootOf(target: PosixTarget): Promise<string> {
  const files = ["/proc/sys/kernel/random/boot_id", "/etc/machine-id"];
  const found = await Promise.all(files.map((file) => target.readBytes(file).catch(() => undefined)));
  return createHash("sha256").update(found.map(String).join("\n")).digest("hex").slice(0, 16);
}
