import type { StepEvent } from "../../model/events";
import type { JobOutcome, JobSignal } from "../../model/job";
import type { Shape, ShapesOf } from "./shapes";

/** Raised when a message changes: both ends say theirs, and a stranger is refused with both numbers. */
export const PROTOCOL = 1;

/** Written by the relay before its first frame, so that what a login shell prints before it can be told apart. */
export const BANNER = `\nconsfigurator-agent ${PROTOCOL}\n`;

/** One file of the sources, by its place in the tree and its content. */
export interface TreeFile {
  readonly path: string;
  readonly hash: string;
}

/** A tree of sources: all of it, or what differs from one that the host has. */
export interface TreeChange {
  readonly tree: string;
  readonly base?: string;
  readonly files: readonly TreeFile[];
  readonly removed: readonly string[];
  readonly entries: readonly string[];
  /** Contents that the host does not have yet, by hash. */
  readonly blobs: Readonly<Record<string, Buffer>>;
}

/** Controller → relay. `ref` is given back in the answer. */
export type Request =
  | { readonly type: "sources"; readonly ref: number; readonly change: TreeChange }
  | {
      readonly type: "deploy";
      readonly deployment: string;
      readonly tree: string;
      readonly change?: TreeChange;
      readonly by: string;
      readonly job: Buffer;
    }
  | { readonly type: "follow"; readonly deployment: string; readonly after: number }
  | { readonly type: "signal"; readonly deployment: string; readonly signal: JobSignal }
  | { readonly type: "status"; readonly ref: number }
  | { readonly type: "shutdown"; readonly ref: number };

/** Relay → controller. */
export type Answer =
  | Hello
  | { readonly type: "done"; readonly ref: number }
  | { readonly type: "status"; readonly ref: number; readonly status: AgentStatus }
  /** The host lacks this tree (or found it broken): send it whole. */
  | { readonly type: "lacking"; readonly ref?: number; readonly deployment?: string; readonly tree: string }
  | { readonly type: "waiting"; readonly deployment: string; readonly reason: string }
  | WorkerAnswer
  /** The host knows nothing of this deployment: it never began. */
  | { readonly type: "unknown"; readonly deployment: string }
  /** The worker of this deployment is gone without a word. */
  | { readonly type: "lost"; readonly deployment: string; readonly reason: string };

export interface Hello {
  readonly type: "hello";
  readonly protocol: number;
  readonly node: string;
  readonly pid: number;
  readonly home: string;
  /** Trees that the host has whole. */
  readonly trees: readonly string[];
}

/** Worker → controller, passed on by the relay as it is. */
export type WorkerAnswer =
  | {
      readonly type: "events";
      readonly deployment: string;
      readonly first: number;
      readonly events: readonly StepEvent[];
    }
  | { readonly type: "outcome"; readonly deployment: string; readonly outcome: JobOutcome }
  /** To whoever sends what cannot be read, or asks for what cannot be done. */
  | {
      readonly type: "refused";
      readonly ref?: number;
      readonly deployment?: string;
      readonly message: string;
    }
  /** A child has loaded, and takes a job. */
  | { readonly type: "ready" }
  /** The answer to a ping. */
  | ({ readonly type: "working" } & Holder);

/** Who holds a host, for what, since when (milliseconds since 1970). */
export interface Holder {
  readonly deployment: string;
  readonly by: string;
  readonly since: number;
  readonly pid: number;
}

/** Relay or supervisor → worker. */
export type WorkerRequest =
  | { readonly type: "job"; readonly job: Buffer }
  /** Everything after the event numbered `after`, and what comes. */
  | { readonly type: "follow"; readonly after: number }
  | { readonly type: "signal"; readonly signal: JobSignal }
  | { readonly type: "ping" };

/** Worker → supervisor, over the channel between parent and child: it can take work, has begun, is done. */
export type WorkerState = "ready" | "begun" | "over";
/** Supervisor → worker, the same way: end, unless you have begun. */
export const LEAVE = "leave";

/** Relay → supervisor. */
export type SupervisorRequest =
  | { readonly type: "worker"; readonly deployment: string; readonly tree: string; readonly by: string }
  /** This deployment wants no worker any more. */
  | { readonly type: "withdraw"; readonly deployment: string }
  | { readonly type: "spare"; readonly tree: string }
  | { readonly type: "status"; readonly ref: number }
  | { readonly type: "shutdown"; readonly ref: number }
  /** Another version takes over: finish what runs, take nothing new. */
  | { readonly type: "retire" };

/** Supervisor → relay. */
export type SupervisorAnswer =
  | { readonly type: "welcome"; readonly boot: string; readonly pid: number }
  | { readonly type: "worker"; readonly deployment: string; readonly socket: string }
  | { readonly type: "busy"; readonly deployment: string; readonly reason: string }
  | { readonly type: "broken"; readonly deployment: string; readonly tree: string; readonly reason: string }
  | { readonly type: "status"; readonly ref: number; readonly status: AgentStatus }
  | { readonly type: "done"; readonly ref: number }
  /** Sent to whoever sends what we do not understand. */
  | { readonly type: "refused"; readonly message: string };

/** An agent as `.agents` shows it. */
export interface AgentStatus {
  readonly pid: number;
  readonly node: string;
  readonly boot: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Memory of supervisor and workers, in bytes; what they share is counted once. */
  readonly memory: number;
  readonly running: readonly Holder[];
  readonly spare: boolean;
}

const changeShape: Shape = {
  tree: "name",
  "base?": "name",
  files: "list",
  removed: "list",
  entries: "list",
  blobs: "object",
};
const signal = ["stop", "cancel"] as const satisfies JobSignal[];
const statusShape: Shape = {
  pid: "number",
  node: "string",
  boot: "string",
  startedAt: "number",
  memory: "number",
  running: "list",
  spare: "boolean",
};

export const requestShapes: ShapesOf<Request> = {
  sources: { ref: "number", change: changeShape },
  deploy: { deployment: "name", tree: "name", "change?": changeShape, by: "string", job: "bytes" },
  follow: { deployment: "name", after: "number" },
  signal: { deployment: "name", signal },
  status: { ref: "number" },
  shutdown: { ref: "number" },
};

export const workerAnswerShapes: ShapesOf<WorkerAnswer> = {
  events: { deployment: "name", first: "number", events: "list" },
  outcome: {
    deployment: "name",
    outcome: { change: ["changed", "unchanged"], failed: "boolean", cancelled: "boolean" },
  },
  ready: {},
  working: { deployment: "name", by: "string", since: "number", pid: "number" },
  refused: { "ref?": "number", "deployment?": "name", message: "string" },
};

export const answerShapes: ShapesOf<Answer> = {
  ...workerAnswerShapes,
  // Whatever else another version says of itself, its number must be understood.
  hello: { protocol: "number", "trees?": "list" },
  done: { ref: "number" },
  status: { ref: "number", status: statusShape },
  lacking: { "ref?": "number", "deployment?": "name", tree: "name" },
  waiting: { deployment: "name", reason: "string" },
  unknown: { deployment: "name" },
  lost: { deployment: "name", reason: "string" },
};

export const workerRequestShapes: ShapesOf<WorkerRequest> = {
  job: { job: "bytes" },
  follow: { after: "number" },
  signal: { signal },
  ping: {},
};

export const supervisorRequestShapes: ShapesOf<SupervisorRequest> = {
  worker: { deployment: "name", tree: "name", by: "string" },
  withdraw: { deployment: "name" },
  spare: { tree: "name" },
  status: { ref: "number" },
  shutdown: { ref: "number" },
  retire: {},
};

export const supervisorAnswerShapes: ShapesOf<SupervisorAnswer> = {
  welcome: { boot: "string", pid: "number" },
  worker: { deployment: "name", socket: "name" },
  busy: { deployment: "name", reason: "string" },
  broken: { deployment: "name", tree: "name", reason: "string" },
  status: { ref: "number", status: statusShape },
  done: { ref: "number" },
  refused: { message: "string" },
};
