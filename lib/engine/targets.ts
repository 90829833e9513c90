import { HostModel } from "../model/host-facts";
import { isByImage } from "../model/job";
import { Findings } from "../model/plan";
import type { Nested } from "../model/property";
import type { PosixTarget, User } from "../model/target";
import type { TargetBase } from "../target/base";
import type { TargetContext } from "../target/context";
import { LocalTarget } from "../target/local/target";
import { UNATTENDED, WORK } from "../target/memory";
import type { PlannedHost } from "../target/planning/host";
import { PlanningTarget } from "../target/planning/target";
import { NO_FLAGS, PlannedUserTarget } from "../target/planning/user";
import { Answers } from "../target/shell/answers";
import { ShellTarget } from "../target/shell/target";
import type { Turn } from "../target/shell/turn";
import type { AheadOfTurn } from "./ahead";
import type { DeploymentContext, Emit, Origin } from "./deployment-context";
import type { AtEnd, StepListener } from "./run";

/** The targets of the steps of one run, with a memory and work for the end of their own. */
interface RunTargets {
  readonly atEnd: AtEnd;
  target(listener: StepListener): PosixTarget;
  /** What steps ask before their turn; undefined where that is no quicker. */
  readonly ahead: AheadOfTurn | undefined;
}

/** Opens the targets of the steps of one tree at `origin`, in this process. */
export class Targets {
  readonly host: HostModel;
  readonly #entries: Readonly<Record<string, unknown>>;
  /** Set where there is only a shell: then each question takes a round trip. */
  readonly #answers: Answers | undefined;

  /** `remembered`: what the targets have in their memory. `user`: whose plan it is, when that user is only planned. */
  constructor(
    work: Nested,
    private readonly origin: Origin,
    private readonly context: DeploymentContext,
    emit: Emit,
    remembered: Readonly<Record<string, unknown>>,
    private readonly user?: User,
  ) {
    this.host = new HostModel(work.host);
    this.#entries = { ...remembered, [WORK]: work, [UNATTENDED]: isByImage(context.by) };
    const { cancellation, verbose } = context;
    const ran: TargetContext["ran"] = (command) => emit({ kind: "command-ran", ...command });
    if (!origin.ownProcess)
      this.#answers = new Answers(origin.connection, {
        signal: cancellation.signal,
        ...(verbose && { ran }),
      });
  }

  /** For a deployment. */
  acting(): RunTargets {
    const [atEnd, memory] = [new Map() as AtEnd, this.#newMemory()];
    const target = (listener: StepListener) =>
      this.#onHost(
        { ...this.#contextOf(listener, atEnd, memory), changed: listener.changed },
        this.#answers?.inTurn,
      );
    const memoryAhead = this.#newMemory();
    return {
      atEnd,
      target,
      ahead: this.#ahead(() => (turn) => this.#onHost(this.#contextOf(NOBODY, new Map(), memoryAhead), turn)),
    };
  }

  /** For a plan, on the host as `planned` expects it. */
  planning(planned: PlannedHost): RunTargets {
    const memoryAhead = this.#newMemory();
    return {
      ...this.#planning(planned, this.#answers?.inTurn),
      ahead: this.#ahead(() => {
        // As it is expected now: the step whose turn it is goes on meanwhile.
        const copy = planned.copy();
        return (turn) => {
          const context = this.#contextOf(NOBODY, new Map(), memoryAhead);
          return this.#planned(context, turn, copy, new Findings(0, true));
        };
      }),
    };
  }

  /** For the plan of a step whose turn comes next, in the deployment that is bound to it. */
  rehearsing(planned: PlannedHost): RunTargets {
    return { ...this.#planning(planned, this.#answers?.rehearsal), ahead: undefined };
  }

  /** For a question between steps. */
  between(): PosixTarget {
    return this.#onHost(this.#contextOf(NOBODY, new Map(), new Map()), undefined);
  }

  /** For a question between the steps of a plan, to the host as `planned` expects it. */
  betweenOn(planned: PlannedHost): PosixTarget {
    const context = this.#contextOf(NOBODY, new Map(), new Map());
    return this.#planned(context, undefined, planned, new Findings(0));
  }

  /** Does `work`, a nested deployment, which may change anything. */
  around<T>(work: () => Promise<T>): Promise<T> {
    return this.#answers ? this.#answers.acting(work) : work();
  }

  /** Ends what steps are asking before their turn. */
  async close(): Promise<void> {
    await this.#answers?.close();
  }

  #planning(planned: PlannedHost, turn: Turn | undefined): Omit<RunTargets, "ahead"> {
    const [atEnd, memory] = [new Map() as AtEnd, this.#newMemory()];
    return {
      atEnd,
      target: (listener) => {
        const onHost = this.#contextOf(listener, atEnd, memory);
        const { changed, findings = new Findings(0) } = listener;
        return this.#planned({ ...onHost, changed }, turn, planned, findings);
      },
    };
  }

  #planned(
    context: TargetContext,
    turn: Turn | undefined,
    planned: PlannedHost,
    findings: Findings,
  ): PlanningTarget {
    const { changed: _unreported, ...onHost } = context;
    const machine = this.#onHost(onHost, turn);
    return this.user
      ? new PlannedUserTarget(machine, { ...context, state: NO_FLAGS }, planned, findings, this.user)
      : new PlanningTarget(machine, context, planned, findings);
  }

  /** `open`: called for each look; returns what opens the target of one step. */
  #ahead(open: () => (turn: Turn) => PosixTarget): AheadOfTurn | undefined {
    const answers = this.#answers;
    return (
      answers && {
        host: this.host,
        get since() {
          return answers.since;
        },
        look: (ask) =>
          answers.look((look) => {
            const targetFor = open();
            return ask(() => targetFor(look.turn()));
          }),
      }
    );
  }

  #contextOf(listener: StepListener, atEnd: AtEnd, memory: Map<string, unknown>): TargetContext {
    const { cancellation, verbose, plan, bound } = this.context;
    return {
      host: this.host,
      signal: cancellation.signal,
      output: listener.output,
      ...(verbose && { ran: listener.ran }),
      atEnd: (key, act) => void atEnd.set(key, act),
      memory,
      digestKey: plan?.key ?? bound?.key,
      // What is asked before its turn may never get its turn.
      data: (iden1, iden2) => this.context.data(iden1, iden2, plan !== undefined || listener === NOBODY),
    };
  }

  #onHost(context: TargetContext, turn: Turn | undefined): TargetBase {
    const { ownProcess, connection } = this.origin;
    return ownProcess ? new LocalTarget(context) : new ShellTarget(connection, context, turn);
  }

  #newMemory(): Map<string, unknown> {
    return new Map(Object.entries(this.#entries));
  }
}

const NOBODY: StepListener = { output: () => {}, ran: () => {}, changed: () => {}, findings: undefined };
