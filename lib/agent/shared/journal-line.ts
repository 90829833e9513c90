import type { StepEvent } from "../../model/events";
import type { JobOutcome } from "../../model/job";

/** One line of a deployment's journal on the host, as JSON. */
export type JournalLine =
  | {
      readonly started: {
        readonly host: string;
        readonly by: string;
        readonly at: string;
        readonly socket: string;
        /** True: it only asks. */
        readonly plan?: boolean;
      };
    }
  /** The event numbered `n`, from 0. */
  | { readonly n: number; readonly event: StepEvent }
  | { readonly outcome: JobOutcome }
  /** Written by the supervisor: the worker ended without an outcome, for this reason. */
  | { readonly lost: string };
