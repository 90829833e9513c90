import { randomBytes } from "node:crypto";
import { type ChildWorker, startChild } from "../agent/client/child";
import { isAgentConnection } from "../agent/client/connection";
import type { AgentLink } from "../agent/client/link";
import { isAgentRunning, successorOf } from "../agent/client/running";
import { announcing, HopStack } from "../connection/hop-stack";
import { HostLock } from "../connection/host-lock";
import { appliedHere, definitionOf, requiredBy } from "../model/application";
import type { Connection } from "../model/connection";
import { AbortedChange, Cancelled, ConnectionFailed, FailedChange } from "../model/errors";
import { type Hop, type HopContext, hopAsCode, hopDefinition } from "../model/hop";
import { HostModel } from "../model/host-facts";
import type { Job, JobOutcome } from "../model/job";
import type { Nested } from "../model/property";
import { HELD_SINCE } from "../target/memory";
import type { DeploymentContext, Emit, Origin } from "./deployment-context";
import { JobAnswers } from "./questions";
import { type Nest, TreeWork } from "./tree-work";

/** Opens the hops of `work` from `origin`, applies it behind them, and closes them, innermost first. */
export async function applyBehind(
  work: Nested,
  origin: Origin,
  context: DeploymentContext,
  emit: Emit,
): Promise<JobOutcome> {
  const stack = new HopStack(origin.connection);
  let { ownProcess } = origin;
  try {
    for (const [index, hop] of work.hops.entries()) {
      // A plan starts no agent.
      if (context.plan && hopDefinition(hop).agent && !(await isAgentRunning(stack.top))) continue;
      const rest = { ...work, hops: work.hops.slice(index + 1) };
      const enter = () => enterHop(hop, rest, { stack, ownProcess }, context, emit);
      const executor = await (context.verbose ? announcing(hop, emit, enter) : enter());
      if ("child" in executor) return await applyInChild(executor.child, rest, context, emit);
      if ("agent" in executor) {
        const reopen = (signal: AbortSignal) => {
          const hops = work.hops.slice(0, index + 1);
          return reopenAgent(hops, stack, { ...hopContext(work, context, emit), signal });
        };
        return await applyInAgent(executor.agent, rest, context, emit, reopen);
      }
      ownProcess = false;
    }
    return await applyHere(work, { connection: stack.top, ownProcess }, context, emit);
  } finally {
    await stack.close();
  }
}

/** Does the work behind a hop: a worker of this process, an agent, or this process over a shell. */
type Executor =
  | { readonly child: ChildWorker }
  | { readonly agent: AgentLink }
  | { readonly shell: Connection };

async function enterHop(
  hop: Hop,
  rest: Nested,
  { stack, ownProcess }: { readonly stack: HopStack; readonly ownProcess: boolean },
  context: DeploymentContext,
  emit: Emit,
): Promise<Executor> {
  const child = ownProcess ? await startChildBehind(hop, rest, stack.top, context) : undefined;
  if (child) return { child };
  const connection = await stack.open(hop, hopContext(rest, context, emit));
  return isAgentConnection(connection) ? { agent: await connection.arrived() } : { shell: connection };
}

/** Reconnects to the agent at the end of `hops` after its link was lost. */
async function reopenAgent(
  hops: readonly Hop[],
  stack: HopStack,
  context: Omit<HopContext, "parent">,
): Promise<AgentLink> {
  await stack.close();
  for (const hop of hops) await stack.open(hop, context);
  if (isAgentConnection(stack.top)) return stack.top.arrived();
  throw new ConnectionFailed(stack.top.description, "its agent no longer answers");
}

const hopContext = (
  { host }: Nested,
  { ask, artifacts, cancellation }: DeploymentContext,
  progress: Emit,
): Omit<HopContext, "parent"> => ({
  host: new HostModel(host),
  ask,
  signal: cancellation.signal,
  artifacts,
  progress,
});

/** Applies `work` at `origin`, in this process, while it holds the host there. Nested deployments start from there. */
export async function applyHere(
  work: Nested,
  origin: Origin,
  context: DeploymentContext,
  emit: Emit,
): Promise<JobOutcome> {
  if (!context.plan && !context.takeOver) refuseAgentProperties(work, origin);
  const { connection, ownProcess } = origin;
  const nestBehind =
    (from: Origin, around: () => Promise<DeploymentContext>): Nest =>
    async (nested, emitNested, more) =>
      applyBehind(nested, from, { ...(await around()), ...NOT_NESTED, ...more }, emitNested);
  // A plan only asks. A shell on a host that a deployment around this one holds: nothing starts there without that lock.
  if (context.plan || connection.locked)
    return new TreeWork(
      work,
      origin,
      context,
      emit,
      nestBehind(origin, async () => context),
    ).perform();
  const holder = ownProcess ? context.holder : undefined;
  const { takeOver, deployment } = context;
  const successor = takeOver && successorOf(deployment);
  const lock = new HostLock(connection, { ...context, emit, holder, successor });
  try {
    // A shell takes the lock with its first command.
    if (ownProcess) await lock.held();
    const held = { connection: lock.connection, ownProcess };
    const memory = { [HELD_SINCE]: () => lock.heldSince };
    const around = async () => {
      await lock.held();
      return { ...context, held: lock.hosts };
    };
    return await new TreeWork(work, held, context, emit, nestBehind(held, around), memory).perform();
  } finally {
    if (takeOver?.done) takeOver.lock = lock;
    else lock.release();
  }
}

/** What concerns the outermost deployment only. */
const NOT_NESTED = { takeOver: undefined, resumed: undefined };

/** Most agent properties without an agent are refused before connecting; this catches contexts where Node cannot run. */
function refuseAgentProperties({ application, hops }: Nested, { ownProcess }: Origin): void {
  if (ownProcess) return;
  const agentOnly = [...appliedHere(application)].find(
    ({ property }) => definitionOf(property).kind === "agent",
  );
  if (!agentOnly) return;
  const where = hops.length > 0 ? ` behind ${hops.map(hopAsCode).join(", ")}` : "";
  throw new AbortedChange(
    `${agentOnly.property} at ${agentOnly.site} needs an agent${where}, but there is only a shell`,
  );
}

/** Starts a worker behind `hop`; undefined when the hop cannot be entered by a process, or Node cannot run there. */
async function startChildBehind(
  hop: Hop,
  rest: Nested,
  parent: Connection,
  { artifacts: { files }, cancellation }: DeploymentContext,
): Promise<ChildWorker | undefined> {
  if (!files) return undefined;
  const entrance = await hopDefinition(hop).enter?.(hop.args, { parent, uid: process.getuid?.() ?? -1 });
  if (!entrance) return undefined;
  try {
    return await startChild(files, entrance, cancellation.signal);
  } catch (error) {
    if (!(error instanceof FailedChange) || error instanceof Cancelled) throw error;
    // A shell is enough for further hops and for POSIX properties.
    if (!needsChild(rest)) return undefined;
    throw new ConnectionFailed(
      hopAsCode(hop),
      `the agent cannot start a worker behind it: ${reasonLine(error.message)}`,
    );
  }
}

const needsChild = ({ hops, application }: Nested): boolean =>
  !hops.some((further) => hopDefinition(further).agent) &&
  [...appliedHere(application)].some(({ property }) => definitionOf(property).kind === "agent");

/** The line of Node's or a shell's output that gives the reason. */
const reasonLine = (printed: string): string =>
  printed.split("\n").find((line) => /^\w*Error/.test(line)) ?? printed.trim().split("\n").at(-1) ?? printed;

async function applyInChild(
  child: ChildWorker,
  rest: Nested,
  context: DeploymentContext,
  emit: Emit,
): Promise<JobOutcome> {
  const { cancellation } = context;
  if (cancellation.reason !== undefined) child.end();
  cancellation.throwIfRequested();
  return cancellation.forwarding(
    (signal) => child.signal(signal),
    () => child.run(jobOf(rest, context), emit, new JobAnswers(rest, context)),
  );
}

async function applyInAgent(
  agent: AgentLink,
  rest: Nested,
  context: DeploymentContext,
  emit: Emit,
  reopen: (signal: AbortSignal) => Promise<AgentLink>,
): Promise<JobOutcome> {
  const { cancellation, artifacts } = context;
  cancellation.throwIfRequested();
  // A deployment may visit a host more than once, so each visit gets a unique ID.
  const deployment = `${context.deployment}-${randomBytes(4).toString("hex")}`;
  const sources = artifacts.sources(...requiredBy(rest));
  const job = jobOf(rest, { ...context, deployment });
  const answers = new JobAnswers(rest, context);
  return agent.apply(job, sources, { host: rest.host.name, emit, answers, reopen, cancellation });
}

const jobOf = (
  rest: Nested,
  { deployment, by, verbose, ask, values = {}, held, plan, bound }: DeploymentContext,
): Job => ({
  ...rest,
  deployment,
  by,
  ...(held.length > 0 && { held }),
  ...(plan && { plan }),
  ...(bound && { bound }),
  ...(verbose && { verbose }),
  ...(ask && { attended: true }),
  ...(Object.keys(values).length > 0 && { values }),
});
