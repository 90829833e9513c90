import type { StepEvent } from "../../model/events";
import type { JobOutcome, JobSignal } from "../../model/job";
import type { Question, Reply } from "../../model/questions";
import type { Shape, ShapesOf } from "./shapes";

/** Raise it when a message changes: a peer with another number is refused, and the error shows both. */
export const PROTOCOL = 8;

/** Written by the relay before its first frame: everything before it is output of the login shell. */
export const BANNER = `\nconsfigurator-agent ${PROTOCOL}\n`;

/** One file of the sources: its path in the tree and the hash of its content. */
export interface TreeFile {
  readonly path: string;
  readonly hash: string;
}

/** A source tree: complete, or as a difference from the tree `base` that the host has. */
export interface TreeChange {
  readonly tree: string;
  readonly base?: string;
  readonly files: readonly TreeFile[];
  readonly removed: readonly string[];
  readonly entries: readonly string[];
  /** File contents that the host does not have yet, by hash. */
  readonly blobs: Readonly<Record<string, Buffer>>;
}

/** Controller → relay. The answer repeats `ref`. */
export type Request =
  | { readonly type: "sources"; readonly ref: number; readonly change: TreeChange }
  | {
      readonly type: "deploy";
      readonly deployment: string;
      readonly tree: string;
      readonly change?: TreeChange;
      readonly by: string;
      readonly job: Buffer;
      /** The hosts that deployments around this one hold. */
      readonly held?: readonly string[];
    }
  | { readonly type: "follow"; readonly deployment: string; readonly after: number }
  | { readonly type: "signal"; readonly deployment: string; readonly signal: JobSignal }
  | { readonly type: "reply"; readonly deployment: string; readonly question: number; readonly reply: Reply }
  | { readonly type: "status"; readonly ref: number }
  | Shutdown
  | { readonly type: "ping" };

/** Stop the agent when its deployment has finished; with `force`, end that deployment first. */
export interface Shutdown {
  readonly type: "shutdown";
  readonly ref: number;
  readonly force?: boolean;
}

/** Relay → controller. */
export type Answer =
  | Hello
  | Done
  | { readonly type: "pong" }
  | { readonly type: "status"; readonly ref: number; readonly status: AgentStatus }
  /** The tree is missing or corrupt on the host: send it in full. */
  | { readonly type: "missing"; readonly ref?: number; readonly deployment?: string; readonly tree: string }
  | { readonly type: "waiting"; readonly deployment: string; readonly reason: string }
  | WorkerAnswer
  /** The host does not know this deployment: it never started. */
  | { readonly type: "unknown"; readonly deployment: string }
  /** The worker of this deployment died without an outcome. */
  | { readonly type: "lost"; readonly deployment: string; readonly reason: string };

export interface Done {
  readonly type: "done";
  readonly ref: number;
  /** The deployment that held the host when the agent was told to stop; absent when there was none. */
  readonly holder?: Holder;
  /** How that deployment was ended; absent when it still runs. */
  readonly how?: string;
}

export interface Hello {
  readonly type: "hello";
  readonly protocol: number;
  readonly node: string;
  readonly pid: number;
  readonly home: string;
  /** Trees that are complete on the host. */
  readonly trees: readonly string[];
}

/** Worker → controller; the relay forwards it unchanged. */
export type WorkerAnswer =
  | {
      readonly type: "events";
      readonly deployment: string;
      readonly first: number;
      readonly events: readonly StepEvent[];
    }
  | { readonly type: "outcome"; readonly deployment: string; readonly outcome: JobOutcome }
  /** Asks whoever started the deployment. Asked again when the connection was lost, with the same number. */
  | {
      readonly type: "question";
      readonly deployment: string;
      readonly number: number;
      readonly question: Question;
    }
  /** The request was malformed, or could not be carried out. */
  | {
      readonly type: "refused";
      readonly ref?: number;
      readonly deployment?: string;
      readonly message: string;
    }
  /** A child worker has loaded and accepts a job. */
  | { readonly type: "ready" }
  /** The answer to a ping. */
  | ({ readonly type: "working" } & Holder);

/** The deployment that holds a host; `since` is in milliseconds since 1970. */
export interface Holder {
  readonly deployment: string;
  readonly by: string;
  readonly since: number;
  readonly pid: number;
}

/** Relay or supervisor → worker. */
export type WorkerRequest =
  | { readonly type: "job"; readonly job: Buffer }
  /** Send all events after number `after`, and those still to come. */
  | { readonly type: "follow"; readonly after: number }
  | { readonly type: "signal"; readonly signal: JobSignal }
  | { readonly type: "reply"; readonly question: number; readonly reply: Reply }
  | { readonly type: "ping" };

/** Worker → supervisor, over the Node IPC channel: it accepts a job, is running one, has finished it, answers a probe. */
export type WorkerState = "ready" | "started" | "finished" | "alive";
/** Supervisor → worker, over the same channel: exit, unless a job is running; cancel the job; say that you are alive. */
export const EXIT_IF_IDLE = "exit-if-idle";
export const CANCEL_JOB = "cancel-job";
export const PROBE = "probe";

/** Relay → supervisor. */
export type SupervisorRequest =
  | {
      readonly type: "worker";
      readonly deployment: string;
      readonly tree: string;
      readonly boot: string;
      readonly by: string;
      /** The hosts that deployments around it hold: on one of them, it does not wait. */
      readonly held?: readonly string[];
    }
  /** The deployment no longer needs a worker. */
  | { readonly type: "release"; readonly deployment: string }
  /** Sent to the worker as well; a worker that does not follow is ended. */
  | { readonly type: "signal"; readonly deployment: string; readonly signal: JobSignal }
  | { readonly type: "spare"; readonly tree: string; readonly boot: string }
  | { readonly type: "status"; readonly ref: number }
  | Shutdown
  | { readonly type: "ping" }
  /** A supervisor of another version would take over: exit as soon as no deployment holds the host. */
  | { readonly type: "retire"; readonly protocol?: number };

/** Supervisor → relay. */
export type SupervisorAnswer =
  | { readonly type: "welcome"; readonly boot: string; readonly pid: number; readonly protocol?: number }
  /** The answer to "retire" of a supervisor that others use, and that speaks the same protocol: use it too. */
  | { readonly type: "kept" }
  | { readonly type: "pong" }
  | { readonly type: "worker"; readonly deployment: string; readonly socket: string }
  | { readonly type: "busy"; readonly deployment: string; readonly reason: string }
  | { readonly type: "broken"; readonly deployment: string; readonly tree: string; readonly reason: string }
  | { readonly type: "status"; readonly ref: number; readonly status: AgentStatus }
  | Done
  /** The request was malformed. */
  | { readonly type: "refused"; readonly message: string };

/** The status of an agent, as `.agents` shows it. */
export interface AgentStatus {
  readonly pid: number;
  readonly node: string;
  readonly boot: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Memory of the supervisor and its workers, in bytes; shared memory is counted once. */
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
const holderShape: Shape = { deployment: "name", by: "string", since: "number", pid: "number" };
const doneShape: Shape = { ref: "number", "holder?": holderShape, "how?": "string" };
const shutdownShape: Shape = { ref: "number", "force?": "boolean" };
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
  deploy: {
    deployment: "name",
    tree: "name",
    "change?": changeShape,
    by: "string",
    job: "bytes",
    "held?": "list",
  },
  follow: { deployment: "name", after: "number" },
  signal: { deployment: "name", signal },
  reply: { deployment: "name", question: "number", reply: "object" },
  status: { ref: "number" },
  shutdown: shutdownShape,
  ping: {},
};

export const workerAnswerShapes: ShapesOf<WorkerAnswer> = {
  events: { deployment: "name", first: "number", events: "list" },
  outcome: {
    deployment: "name",
    outcome: { change: ["changed", "unchanged"], failed: "boolean", cancelled: "boolean" },
  },
  question: { deployment: "name", number: "number", question: "object" },
  ready: {},
  working: holderShape,
  refused: { "ref?": "number", "deployment?": "name", message: "string" },
};

export const answerShapes: ShapesOf<Answer> = {
  ...workerAnswerShapes,
  // Also sent by other versions: only the protocol number is required.
  hello: { protocol: "number", "trees?": "list" },
  done: doneShape,
  pong: {},
  status: { ref: "number", status: statusShape },
  missing: { "ref?": "number", "deployment?": "name", tree: "name" },
  waiting: { deployment: "name", reason: "string" },
  unknown: { deployment: "name" },
  lost: { deployment: "name", reason: "string" },
};

export const workerRequestShapes: ShapesOf<WorkerRequest> = {
  job: { job: "bytes" },
  follow: { after: "number" },
  signal: { signal },
  reply: { question: "number", reply: "object" },
  ping: {},
};

export const supervisorRequestShapes: ShapesOf<SupervisorRequest> = {
  worker: { deployment: "name", tree: "name", boot: "name", by: "string", "held?": "list" },
  release: { deployment: "name" },
  signal: { deployment: "name", signal },
  spare: { tree: "name", boot: "name" },
  status: { ref: "number" },
  shutdown: shutdownShape,
  ping: {},
  retire: { "protocol?": "number" },
};

export const supervisorAnswerShapes: ShapesOf<SupervisorAnswer> = {
  welcome: { boot: "string", pid: "number", "protocol?": "number" },
  kept: {},
  pong: {},
  worker: { deployment: "name", socket: "name" },
  busy: { deployment: "name", reason: "string" },
  broken: { deployment: "name", tree: "name", reason: "string" },
  status: { ref: "number", status: statusShape },
  done: doneShape,
  refused: { message: "string" },
};
