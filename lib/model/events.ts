import type { HostChange } from "./changes";
import type { AvailableDatum } from "./data-names";
import type { PlanAnswer } from "./plan";
import type { Rehearsal } from "./rehearsal";
import type { Row } from "./rows";
import type { Failure } from "./types";

/** How a step ended. `skipped` always has a reason. */
export type StepStatus = "unchanged" | "changed" | "failed" | "skipped";

/** An event that belongs to no step, most often before the first: connecting, uploading, waiting. */
export type Progress =
  | { readonly kind: "hop-opening"; readonly hop: string }
  | { readonly kind: "hop-opened"; readonly hop: string; readonly ms: number; readonly reused: boolean }
  /** Bytes of the runtime or of large data sent to the host so far, of `total`. */
  | { readonly kind: "upload"; readonly what: string; readonly sent: number; readonly total: number }
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "notice"; readonly text: string };

/** One item of the stream from which a report is made. `ms` is a duration in milliseconds. */
export type DeployEvent = { readonly host: string; readonly deployment: string } & (
  | {
      readonly kind: "deployment-started";
      readonly at: string;
      readonly hops: readonly string[];
      readonly steps: number;
      /** True: nothing is done; each step tells what it would do. */
      readonly plan?: boolean;
      /** Only of a plan: the data that the host needs, and where a deployment would get it. */
      readonly data?: readonly AvailableDatum[];
      /** True: it is done in a clone of the host. */
      readonly rehearsal?: boolean;
      /** True: views show the changes of each step. */
      readonly diff?: boolean;
      /** True: every command is reported as `command-ran`. */
      readonly verbose?: boolean;
    }
  | Progress
  | {
      readonly kind: "step-started";
      /** Unique in the deployment. */
      readonly step: number;
      /** The step that contains this one. */
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
  /** The output of the step is over 0.5 MB, so the rest is held back until the step ends; this is the newest line. */
  | { readonly kind: "step-preview"; readonly step: number; readonly text: string }
  /** In verbose deployments: a process that ran on the host or, over a shell, an operation on its files. */
  | {
      readonly kind: "command-ran";
      /** The step that ran it; absent for a command that ran between steps. */
      readonly step?: number;
      /** As messages show it, shortened when long. Never contains its input, its variables, or secrets. */
      readonly command: string;
      /** Absent when the command was interrupted or could not be started. */
      readonly exit?: number;
      readonly ms: number;
    }
  /** The step has changed something; in a plan, it would. */
  | { readonly kind: "step-changed"; readonly step: number; readonly change: HostChange }
  /** The step asks a table: some of its rows. */
  | { readonly kind: "step-rows"; readonly step: number; readonly rows: readonly Row[] }
  | {
      readonly kind: "step-ended";
      readonly step: number;
      readonly status: StepStatus;
      readonly ms: number;
      readonly reason?: string;
      readonly failure?: Failure;
      /** Only in a plan: `status` is then how the step would end as the host is now. */
      readonly plan?: PlanAnswer;
    }
  /** Only in a rehearsal, after its last step. */
  | { readonly kind: "rehearsed"; readonly rehearsal: Rehearsal }
  | {
      readonly kind: "deployment-ended";
      readonly status: "unchanged" | "changed" | "failed" | "refused" | "cancelled" | "detached";
      readonly ms: number;
      /** The reason why the whole deployment could not continue; absent when it completed. */
      readonly failure?: Failure;
    }
);

/** A command that ran, not yet assigned to a step. */
export type CommandTrace = Pick<Extract<DeployEvent, { kind: "command-ran" }>, "command" | "exit" | "ms">;

/** An event without its host and deployment. */
export type StepEvent = DeployEvent extends infer E
  ? E extends { kind: string }
    ? Omit<E, "host" | "deployment">
    : never
  : never;

/** The version of the events as written by `--json`; raised by each incompatible change. */
export const EVENTS_VERSION = 1;
