import { randomBytes } from "node:crypto";
import { type ChildWorker, startChild } from "../agent/client/child";
import { isAgentConnection } from "../agent/client/connection";
import type { AgentLink } from "../agent/client/link";
import type { Kit } from "../model/agent-artifacts";
import { appliedHere, definitionOf, requiredBy } from "../model/application";
import type { Connection } from "../model/connection";
import { AbortedChange, Cancelled, ConnectionFailed, FailedChange } from "../model/errors";
import type { StepEvent } from "../model/events";
import { type Asker, type Hop, hopAsCode, hopDefinition } from "../model/hop";
import { HostModel } from "../model/host-facts";
import type { Job, JobOutcome, JobSignal } from "../model/job";
import type { Nested } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { TargetContext } from "../target/context";
import { LocalTarget } from "../target/local/target";
import { WORK } from "../target/memory";
import { ShellTarget } from "../target/shell/target";
import { applyTree } from "./apply";
import type { AtEnd } from "./applying";
import { onStray } from "./strays";

/** Where we stand: a shell, and whether the process that runs this code is there itself. */
export interface Ground {
  readonly connection: Connection;
  readonly ownProcess: boolean;
}

/** One deployment in this process, with all that is nested in it. */
export interface Course {
  readonly deployment: string;
  readonly by: string;
  /** True: every command is told, and every hop that is opened on the way. */
  readonly verbose: boolean;
  readonly kit: Kit;
  readonly ask: Asker | undefined;
  readonly signal: AbortSignal;
  stopped(): string | undefined;
  /** What passes a signal on to where work is done for us; taken out when that ends. */
  readonly workers: Set<(signal: JobSignal) => void>;
}

/** Opens `work.hops` from `ground`, applies behind them, and closes them, innermost first. */
export async function applyBehind(
  work: Nested,
  ground: Ground,
  course: Course,
  emit: (event: StepEvent) => void,
): Promise<JobOutcome> {
  const opened: Connection[] = [];
  let { connection, ownProcess } = ground;
  try {
    for (const [index, hop] of work.hops.entries()) {
      const rest = { ...work, hops: work.hops.slice(index + 1) };
      const tellOpened = course.verbose ? opening(hop, emit) : undefined;
      if (ownProcess) {
        const child = await childBehind(hop, rest, connection, course);
        if (child) tellOpened?.();
        if (child) return await throughChild(child, rest, course, emit);
      }
      connection = await open(hop, connection, work, course, emit);
      opened.push(connection);
      tellOpened?.();
      ownProcess = false;
      if (isAgentConnection(connection)) {
        const again = async () => {
          await closeAll(opened);
          return openAgent(work.hops.slice(0, index + 1), ground.connection, opened, work, course, emit);
        };
        return await throughAgent(connection.agent, rest, course, emit, again);
      }
    }
    return await applyHere(work, { connection, ownProcess }, course, emit);
  } finally {
    await closeAll(opened);
  }
}

/** Tells that `hop` is being opened; what it returns, that it is open. */
function opening(hop: Hop, emit: (event: StepEvent) => void): () => void {
  const started = performance.now();
  const said = hopAsCode(hop);
  emit({ kind: "hop-opening", hop: said });
  return () =>
    emit({ kind: "hop-opened", hop: said, ms: Math.round(performance.now() - started), reused: false });
}

async function closeAll(opened: Connection[]): Promise<void> {
  for (const each of opened.splice(0).reverse()) await each.close().catch(() => {});
}

/** The agent at the end of `hops`, which was there before. */
async function openAgent(
  hops: readonly Hop[],
  from: Connection,
  opened: Connection[],
  ...along: [work: Nested, course: Course, emit: (event: StepEvent) => void]
): Promise<AgentLink> {
  let connection = from;
  for (const hop of hops) {
    connection = await open(hop, connection, ...along);
    opened.push(connection);
  }
  if (isAgentConnection(connection)) return connection.agent;
  throw new ConnectionFailed(connection.description, "no agent answers behind it any more");
}

/** Applies where we stand; what is nested goes on from here. */
export async function applyHere(
  work: Nested,
  ground: Ground,
  course: Course,
  emit: (event: StepEvent) => void,
): Promise<JobOutcome> {
  refuseAgentProperties(work, ground);
  const atEnd: AtEnd = new Map();
  const memory = new Map<string, unknown>([[WORK, work]]);
  const host = new HostModel(work.host);
  return applyTree(work.application, {
    target: (output, ran) =>
      makeTarget(ground, {
        host,
        signal: course.signal,
        output,
        ...(course.verbose && { ran }),
        atEnd: (key, act) => void atEnd.set(key, act),
        memory,
      }),
    emit,
    stopped: () => course.stopped(),
    expected: work.expected,
    ...(ground.ownProcess && { strays: onStray }),
    atEnd,
    nest: (nested, embed) => applyBehind(nested, ground, course, embed),
  });
}

const makeTarget = ({ connection, ownProcess }: Ground, context: TargetContext): PosixTarget =>
  ownProcess ? new LocalTarget(context) : new ShellTarget(connection, context);

/** Seen to before anybody was connected to, but for a context in which Node turned out not to run. */
function refuseAgentProperties({ application, hops }: Nested, { ownProcess }: Ground): void {
  if (ownProcess) return;
  const unfit = [...appliedHere(application)].find(({ property }) => definitionOf(property).kind === "agent");
  if (!unfit) return;
  const where = hops.length > 0 ? ` behind ${hops.map(hopAsCode).join(", ")}` : "";
  throw new AbortedChange(
    `${unfit.property} at ${unfit.site} needs a process of ours${where}, and there is only a shell`,
  );
}

/** A worker behind `hop`; undefined where that is no way to enter it, or Node cannot run there. */
async function childBehind(
  hop: Hop,
  rest: Nested,
  connection: Connection,
  course: Course,
): Promise<ChildWorker | undefined> {
  const { files } = course.kit;
  const definition = hopDefinition(hop);
  const entrance =
    files && (await definition.enter?.(hop.args, { parent: connection, uid: process.getuid?.() ?? -1 }));
  if (!files || !entrance) return undefined;
  try {
    return await startChild(files, entrance, course.signal);
  } catch (error) {
    if (!(error instanceof FailedChange) || error instanceof Cancelled) throw error;
    // A shell leads on as well: to further hops, and to properties that need no more.
    const needed =
      !rest.hops.some((further) => hopDefinition(further).agent) &&
      [...appliedHere(rest.application)].some(({ property }) => definitionOf(property).kind === "agent");
    if (needed)
      throw new ConnectionFailed(
        hopAsCode(hop),
        `no process of ours can run behind it: ${lastWords(error.message)}`,
      );
    return undefined;
  }
}

/** What Node or a shell says is mostly where; why stands in one line. */
const lastWords = (said: string): string =>
  said.split("\n").find((line) => /^\w*Error/.test(line)) ?? said.trim().split("\n").at(-1) ?? said;

async function throughChild(
  child: ChildWorker,
  rest: Nested,
  course: Course,
  emit: (event: StepEvent) => void,
): Promise<JobOutcome> {
  const stopped = course.stopped();
  if (stopped) {
    child.end();
    throw new Cancelled(stopped);
  }
  const pass = (signal: JobSignal) => child.signal(signal);
  course.workers.add(pass);
  try {
    return await child.run(jobOf(rest, course), emit);
  } finally {
    course.workers.delete(pass);
  }
}

async function throughAgent(
  agent: AgentLink,
  rest: Nested,
  course: Course,
  emit: (event: StepEvent) => void,
  again: () => Promise<AgentLink>,
): Promise<JobOutcome> {
  const stopped = course.stopped();
  if (stopped) throw new Cancelled(stopped);
  // A host may be come to more than once, and knows each time by its name.
  const deployment = `${course.deployment}-${randomBytes(4).toString("hex")}`;
  const { signal, workers, kit } = course;
  return agent.apply(jobOf(rest, { ...course, deployment }), kit.sources(...requiredBy(rest)), {
    host: rest.host.name,
    emit,
    again,
    signal,
    workers,
  });
}

const jobOf = (rest: Nested, { deployment, by, verbose }: Course): Job => ({
  ...rest,
  deployment,
  by,
  ...(verbose && { verbose }),
});

async function open(
  hop: Hop,
  parent: Connection,
  work: Nested,
  course: Course,
  emit: (event: StepEvent) => void,
): Promise<Connection> {
  const { ask, signal, kit } = course;
  return hopDefinition(hop).open(hop.args, {
    parent,
    host: new HostModel(work.host),
    ask,
    signal,
    kit,
    progress: emit,
  });
}
