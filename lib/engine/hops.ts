import { randomBytes } from "node:crypto";
import { type ChildWorker, startChild } from "../agent/client/child";
import { isAgentConnection } from "../agent/client/connection";
import type { AgentLink } from "../agent/client/link";
import { announcing, HopStack } from "../connection/hop-stack";
import type { AgentArtifacts } from "../model/agent-artifacts";
import { appliedHere, definitionOf, requiredBy } from "../model/application";
import type { Cancellation } from "../model/cancellation";
import type { Connection } from "../model/connection";
import { AbortedChange, Cancelled, ConnectionFailed, FailedChange } from "../model/errors";
import type { StepEvent } from "../model/events";
import { type Asker, type Hop, type HopContext, hopAsCode, hopDefinition } from "../model/hop";
import { HostModel } from "../model/host-facts";
import type { Job, JobOutcome } from "../model/job";
import type { Nested } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { TargetContext } from "../target/context";
import { LocalTarget } from "../target/local/target";
import { WORK } from "../target/memory";
import { ShellTarget } from "../target/shell/target";
import { applyTree } from "./apply";
import type { AtEnd } from "./run";
import { onUnhandledError } from "./unhandled-errors";

/** Where a deployment starts from: a shell, and whether the process that runs this code is there itself. */
export interface Origin {
  readonly connection: Connection;
  readonly ownProcess: boolean;
}

/** What all parts of one deployment share, in this process. */
export interface DeploymentContext {
  readonly deployment: string;
  readonly by: string;
  /** True: every command is reported, and every hop that is opened on the way. */
  readonly verbose: boolean;
  readonly artifacts: AgentArtifacts;
  readonly ask: Asker | undefined;
  readonly cancellation: Cancellation;
}

type Emit = (event: StepEvent) => void;

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
      const rest = { ...work, hops: work.hops.slice(index + 1) };
      const enter = () => enterHop(hop, rest, { stack, ownProcess }, context, emit);
      const inside = await (context.verbose ? announcing(hop, emit, enter) : enter());
      if ("child" in inside) return await throughChild(inside.child, rest, context, emit);
      if ("agent" in inside) {
        const reopen = () => reopenAgent(work.hops.slice(0, index + 1), stack, work, context, emit);
        return await throughAgent(inside.agent, rest, context, emit, reopen);
      }
      ownProcess = false;
    }
    return await applyHere(work, { connection: stack.top, ownProcess }, context, emit);
  } finally {
    await stack.close();
  }
}

/** Who does the work behind a hop: a worker of ours, an agent, or this process over a shell. */
type Inside =
  | { readonly child: ChildWorker }
  | { readonly agent: AgentLink }
  | { readonly shell: Connection };

async function enterHop(
  hop: Hop,
  rest: Nested,
  { stack, ownProcess }: { readonly stack: HopStack; readonly ownProcess: boolean },
  context: DeploymentContext,
  emit: Emit,
): Promise<Inside> {
  const child = ownProcess ? await childBehind(hop, rest, stack.top, context) : undefined;
  if (child) return { child };
  const connection = await stack.open(hop, hopContext(rest, context, emit));
  return isAgentConnection(connection) ? { agent: connection.agent } : { shell: connection };
}

/** The agent at the end of `hops`, after its link was lost. */
async function reopenAgent(
  hops: readonly Hop[],
  stack: HopStack,
  work: Nested,
  context: DeploymentContext,
  emit: Emit,
): Promise<AgentLink> {
  await stack.close();
  for (const hop of hops) await stack.open(hop, hopContext(work, context, emit));
  if (isAgentConnection(stack.top)) return stack.top.agent;
  throw new ConnectionFailed(stack.top.description, "no agent answers behind it any more");
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

/** Applies `work` at `origin`, in this process; what is nested goes on from there. */
export async function applyHere(
  work: Nested,
  origin: Origin,
  context: DeploymentContext,
  emit: Emit,
): Promise<JobOutcome> {
  refuseAgentProperties(work, origin);
  const atEnd: AtEnd = new Map();
  const memory = new Map<string, unknown>([[WORK, work]]);
  const host = new HostModel(work.host);
  const { cancellation, verbose } = context;
  return applyTree(work.application, {
    target: (output, ran) =>
      makeTarget(origin, {
        host,
        signal: cancellation.signal,
        output,
        ...(verbose && { ran }),
        atEnd: (key, act) => void atEnd.set(key, act),
        memory,
      }),
    emit,
    stopped: () => cancellation.reason,
    expected: work.expected,
    ...(origin.ownProcess && { onUnhandledError }),
    atEnd,
    nest: (nested, emitNested) => applyBehind(nested, origin, context, emitNested),
  });
}

const makeTarget = ({ connection, ownProcess }: Origin, context: TargetContext): PosixTarget =>
  ownProcess ? new LocalTarget(context) : new ShellTarget(connection, context);

/** Refused before connecting, except for a context in which Node turned out not to run. */
function refuseAgentProperties({ application, hops }: Nested, { ownProcess }: Origin): void {
  if (ownProcess) return;
  const agentOnly = [...appliedHere(application)].find(
    ({ property }) => definitionOf(property).kind === "agent",
  );
  if (!agentOnly) return;
  const where = hops.length > 0 ? ` behind ${hops.map(hopAsCode).join(", ")}` : "";
  throw new AbortedChange(
    `${agentOnly.property} at ${agentOnly.site} needs an agent${where}, and there is only a shell`,
  );
}

/** A worker behind `hop`; undefined where a hop cannot be entered by a process, or Node cannot run there. */
async function childBehind(
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
    // A shell leads on as well: to further hops, and to properties that need no more.
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

/** The one line, of what Node or a shell printed, that says why. */
const reasonLine = (printed: string): string =>
  printed.split("\n").find((line) => /^\w*Error/.test(line)) ?? printed.trim().split("\n").at(-1) ?? printed;

async function throughChild(
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
    () => child.run(jobOf(rest, context), emit),
  );
}

async function throughAgent(
  agent: AgentLink,
  rest: Nested,
  context: DeploymentContext,
  emit: Emit,
  reopen: () => Promise<AgentLink>,
): Promise<JobOutcome> {
  const { cancellation, artifacts } = context;
  cancellation.throwIfRequested();
  // A deployment may visit a host more than once: each visit has a name of its own.
  const deployment = `${context.deployment}-${randomBytes(4).toString("hex")}`;
  const sources = artifacts.sources(...requiredBy(rest));
  const job = jobOf(rest, { ...context, deployment });
  return agent.apply(job, sources, { host: rest.host.name, emit, reopen, cancellation });
}

const jobOf = (rest: Nested, { deployment, by, verbose }: DeploymentContext): Job => ({
  ...rest,
  deployment,
  by,
  ...(verbose && { verbose }),
});
