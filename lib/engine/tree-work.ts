import { createHash } from "node:crypto";
import { ConnectionFailed } from "../model/errors";
import { hopAsCode, type SeenFiles } from "../model/hop";
import type { JobOutcome, PlanOrigin } from "../model/job";
import { seenFromInside } from "../model/plan";
import type { PlannedAct } from "../model/planned-acts";
import type { Nested } from "../model/property";
import type { PosixTarget, User } from "../model/target";
import { filesBehind } from "../target/files-behind";
import { actsElsewhere, actsInside, actsOutside } from "../target/planning/behind";
import { PlannedHost } from "../target/planning/host";
import { applyTree } from "./apply";
import type { DeploymentContext, Emit, Origin } from "./deployment-context";
import type { ApplyContext } from "./run";
import { Targets } from "./targets";
import { onUnhandledError } from "./unhandled-errors";
import { settledOrLeft } from "./unsettled";

/** Runs a deployment nested in this one, with what differs in its context. */
export type Nest = (nested: Nested, emit: Emit, more: Partial<DeploymentContext>) => Promise<JobOutcome>;

/** Applies or plans one tree at `origin`, in this process. */
export class TreeWork {
  readonly #targets: Targets;

  /** `remembered`: what the targets of its steps have in their memory. `user`: who plans, when that user is only planned. */
  constructor(
    private readonly work: Nested,
    private readonly origin: Origin,
    private readonly context: DeploymentContext,
    private readonly emit: Emit,
    private readonly nest: Nest,
    remembered: Readonly<Record<string, unknown>> = {},
    user?: User,
  ) {
    this.#targets = new Targets(work, origin, context, emit, { ...context.values, ...remembered }, user);
  }

  async perform(): Promise<JobOutcome> {
    try {
      return await (this.context.plan ? this.#plan(this.context.plan) : this.#apply());
    } finally {
      await this.#targets.close();
    }
  }

  async #plan({ key, after, before, boot }: PlanOrigin): Promise<JobOutcome> {
    const own = boot && (await bootId(this.#targets.between()));
    // Together with what is asked first.
    const state = key === undefined ? undefined : bootOf(this.#targets.between());
    const isElsewhere = !!boot && !!own && boot !== own;
    const planned = new PlannedHost();
    planned.include(isElsewhere || !before ? [] : before);
    const known = planned.acts.length;
    const planning = { ...this.#planning(planned, this.emit), ...this.#targets.planning(planned), after };
    const outcome = await this.#settled(applyTree(this.work.application, planning));
    const acts = planned.acts.slice(known);
    return {
      ...outcome,
      ...(state && { boot: await state }),
      ...(before && boot === undefined && { acts }),
      ...(isElsewhere && { acts: actsElsewhere(acts) }),
    };
  }

  async #apply(): Promise<JobOutcome> {
    await this.#reportReboot();
    const { bound, takeOver, resumed } = this.context;
    let over = false;
    const applying = applyTree(this.work.application, {
      ...this.#common(),
      ...this.#targets.acting(),
      emit: (event) => over || this.emit(event),
      flush: () => this.context.flush?.(),
      ...(this.origin.ownProcess && { onUnhandledError }),
      takeOver,
      resumed,
      ...(bound && { bound, planned: (emit: Emit) => this.#rehearsal(emit) }),
      nest: (nested, emit, { within, values }) => {
        const inside = { values, bound: bound && within !== undefined ? { ...bound, within } : bound };
        return this.#targets.around(() => this.nest(nested, emit, inside));
      },
    });
    try {
      const ending = this.#settled(applying);
      return await (takeOver ? Promise.race([ending, takeOver.taken.then(() => LEFT_TO_AGENT)]) : ending);
    } finally {
      over = true;
    }
  }

  /** The context in which a step of a bound deployment is planned before it acts. */
  #rehearsal(emit: Emit): ApplyContext {
    const planned = new PlannedHost();
    return { ...this.#planning(planned, emit), ...this.#targets.rehearsing(planned) };
  }

  #planning(planned: PlannedHost, emit: Emit): Omit<ApplyContext, "target" | "atEnd"> {
    const { plan } = this.context;
    return {
      ...this.#common(),
      plans: true,
      ...(plan?.paths && { paths: true }),
      emit,
      nest: async (nested, emitNested, { after, values }) => {
        const files = await this.#filesBehind(nested);
        const user = await this.#userBehind(files, planned);
        const key = plan?.key !== undefined && { key: plan.key };
        const origin = await this.#originBehind(files, planned.acts, user);
        const paths = plan?.paths && { paths: true };
        const around = { after: [...after].map(seenFromInside), ...origin, ...key, ...paths };
        const inside = { values, plan: around };
        const outcome = user?.isPlanned
          ? await this.#planAs(user, nested, inside, emitNested)
          : await this.nest(nested, emitNested, inside);
        return files && outcome.acts ? { ...outcome, acts: actsOutside(outcome.acts, files) } : outcome;
      },
    };
  }

  /** Which files the nested deployment sees; undefined when it may see any. */
  async #filesBehind({ hops }: Nested): Promise<SeenFiles | undefined> {
    const files = filesBehind(hops);
    if (!files || files.root === "/") return files;
    return { ...files, root: (await this.#targets.between().realPath(files.root)) ?? files.root };
  }

  /** The user who sees `files`, when that is another one; not one whose account is in a chroot. */
  async #userBehind(
    files: SeenFiles | undefined,
    planned: PlannedHost,
  ): Promise<(User & { readonly isPlanned: boolean }) | undefined> {
    if (files?.user === undefined || files.root !== "/") return undefined;
    const onHost = await this.#targets.between().user(files.user);
    const user = planned.isUntouched ? onHost : await this.#targets.betweenOn(planned).user(files.user);
    return user && { ...user, isPlanned: !onHost };
  }

  /** Plans `nested` as a user who does not exist yet. */
  #planAs(
    user: User,
    nested: Nested,
    inside: Pick<DeploymentContext, "values" | "plan">,
    emit: Emit,
  ): Promise<JobOutcome> {
    const context = { ...this.context, ...inside };
    const nest: Nest = () => {
      const way = nested.hops.map(hopAsCode).join(", ");
      throw new ConnectionFailed(way, `there is no user ${user.name} on the host yet`);
    };
    return new TreeWork(nested, this.origin, context, emit, nest, {}, user).perform();
  }

  /** Where a nested plan starts after `acts`. */
  async #originBehind(
    files: SeenFiles | undefined,
    acts: readonly PlannedAct[],
    user: User | undefined,
  ): Promise<Pick<PlanOrigin, "before" | "boot">> {
    const before = acts.map((act) => ({ ...act, step: seenFromInside(act.step) }));
    if (files) return { before: actsInside(before, files, user) };
    // It may be this machine, where anything may be anywhere.
    const steps = new Map(before.map((act) => [act.step, act.certain]));
    const unknown = [...steps].map(([step, certain]) => ({ kind: "unknown" as const, step, certain }));
    return { before: unknown, boot: await bootId(this.#targets.between()) };
  }

  #common(): Pick<ApplyContext, "stopped" | "expected"> {
    return { stopped: () => this.context.cancellation.reason, expected: this.work.expected };
  }

  /** A worker that does not end is killed; what does not end in this process is left. */
  #settled(applying: Promise<JobOutcome>): Promise<JobOutcome> {
    return this.origin.ownProcess ? applying : settledOrLeft(applying, this.context.cancellation.signal);
  }

  /** Says that the host is not as it was when it was planned. */
  async #reportReboot(): Promise<void> {
    const { bound } = this.context;
    if (
      bound?.boot === undefined ||
      bound.within !== undefined ||
      bound.boot === (await bootOf(this.#targets.between()))
    )
      return;
    const text = `${this.#targets.host.name} was rebooted or reinstalled since it was planned`;
    this.emit({ kind: "notice", text });
  }
}

/** The agent has the real outcome. */
const LEFT_TO_AGENT: JobOutcome = { change: "unchanged", failed: false, cancelled: false };

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** What tells a running kernel from any other; "" where it does not say. */
const bootId = async (target: PosixTarget): Promise<string> =>
  String((await target.readBytes(BOOT_ID).catch(() => undefined)) ?? "").trim();

/** What tells one boot of one installation from another; the same everywhere that the host does not say. */
async function bootOf(target: PosixTarget): Promise<string> {
  const files = [BOOT_ID, "/etc/machine-id"];
  const found = await Promise.all(files.map((file) => target.readBytes(file).catch(() => undefined)));
  return createHash("sha256").update(found.map(String).join("\n")).digest("hex").slice(0, 16);
}
