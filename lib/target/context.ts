import type { CommandTrace } from "../model/events";
import type { HostFacts } from "../model/host-facts";
import type { PosixTarget, RunOptions, State, WriteOptions } from "../model/target";
import type { Change } from "../model/types";

/** What a target is made with; one target serves one step, and shares all but `output` with the others. */
export interface TargetContext {
  readonly host: HostFacts;
  /** Aborted: the running command is ended, and nothing more is done. */
  readonly signal: AbortSignal;
  /** Live output of the step. */
  output(stream: "stdout" | "stderr", text: string): void;
  /** Told of each command that was run; left out: nobody wants to know. */
  ran?(command: CommandTrace): void;
  atEnd(key: string, act: (target: PosixTarget, result: Change) => Promise<void>): void;
  readonly memory: Map<string, unknown>;
  /** The home directory, where it is not that of the connected user. */
  readonly home?: string;
  /** The marks of the connected user, where `home` is another one. */
  readonly state?: State;
}

/** How a process is started for `run`. */
export interface Execution {
  readonly input: Buffer | undefined;
  readonly env: RunOptions["env"];
  /** Told of each piece of output as it comes. */
  readonly output: TargetContext["output"] | undefined;
  /** True: of long output the beginning and the end do. */
  readonly excerpt?: boolean;
  /** What a person may see of the command. */
  readonly shown: string;
  /** True: nobody else may see the script, in the list of processes or in a log. */
  readonly hidden?: boolean;
}

/** How a file is replaced. */
export interface PutOptions extends WriteOptions {
  /** True: missing parent directories are made, with mode 0o755. */
  readonly parents?: boolean;
  /** The `id` of the file that is replaced, null when there must be none. Left out: whatever is there. */
  readonly expected?: string | null;
}
