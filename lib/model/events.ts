import type { Failure } from "./types";

/** How a step ended. `skipped` always has a reason. */
export type StepStatus = "unchanged" | "changed" | "failed" | "skipped";

/** What happens between `deploy` and the first step. */
export type Progress =
  | { readonly kind: "hop-opening"; readonly hop: string }
  | { readonly kind: "hop-opened"; readonly hop: string; readonly ms: number; readonly reused: boolean }
  /** Bytes on their way to the host: the runtime, or sources. `sent` grows to `total`. */
  | { readonly kind: "upload"; readonly what: string; readonly sent: number; readonly total: number }
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "notice"; readonly text: string };

/** One item of the stream of which a report is made. Times are milliseconds. */
export type DeployEvent = { readonly host: string; readonly deployment: string } & (
  | {
      readonly kind: "deployment-started";
      readonly at: string;
      readonly hops: readonly string[];
      readonly steps: number;
      /** True: every command will be told. */
      readonly verbose?: boolean;
    }
  | Progress
  | {
      readonly kind: "step-started";
      /** Unique in its deployment. */
      readonly step: number;
      /** The step inside of which it is. */
      readonly parent?: number;
      readonly property: string;
      readonly desc: string;
      readonly site: string;
    }
  | {
      readonly kind: "step-output";
      readonly step: number;
      readonly stream: "stdout" | "stderr";
      readonly text: string;
    }
  /** The step has printed so much that it is not told any more before its end; this line of it, for whoever watches. */
  | { readonly kind: "step-preview"; readonly step: number; readonly text: string }
  /** In verbose deployments: a process on the host, or over a shell what was done with its files. */
  | {
      readonly kind: "command-ran";
      /** The step that ran it; absent: it was run between the steps. */
      readonly step?: number;
      /** As messages show it; of a long one the beginning. Never its input, its variables, or what is secret. */
      readonly command: string;
      /** Absent when it was broken off, or could not be started. */
      readonly exit?: number;
      readonly ms: number;
    }
  | {
      readonly kind: "step-ended";
      readonly step: number;
      readonly status: StepStatus;
      readonly ms: number;
      readonly reason?: string;
      readonly failure?: Failure;
    }
  | {
      readonly kind: "deployment-ended";
      readonly status: "unchanged" | "changed" | "failed" | "refused" | "cancelled" | "detached";
      readonly ms: number;
      /** Why the whole deployment could not go on, when it could not. */
      readonly failure?: Failure;
    }
);

/** A command that was run, before it is known by which step. */
export type CommandTrace = Pick<Extract<DeployEvent, { kind: "command-ran" }>, "command" | "exit" | "ms">;

/** What an event says, before it is known of which deployment it is. */
export type StepEvent = DeployEvent extends infer E
  ? E extends { kind: string }
    ? Omit<E, "host" | "deployment">
    : never
  : never;

/** The version of the events as written by `--json`; raised when a reader would have to change. */
export const EVENTS_VERSION = 1;
