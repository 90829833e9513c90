import type { HostChange } from "../model/changes";
import type { CommandTrace } from "../model/events";
import type { HostFacts } from "../model/host-facts";
import type { LargeDatum } from "../model/questions";
import type { PosixTarget, RunOptions, State, WriteOptions } from "../model/target";
import type { Bytes } from "./feed";

/** What a target is constructed with. One target serves one step, and shares everything but `output` with the others. */
export interface TargetContext {
  readonly host: HostFacts;
  /** When aborted, the running command is ended and nothing more is done. */
  readonly signal: AbortSignal;
  /** Live output of the step. */
  output(stream: "stdout" | "stderr", text: string): void;
  /** Called with each command that was run, in verbose deployments. */
  ran?(command: CommandTrace): void;
  /** Called with each change, after it was made; in a plan, when it is foreseen. */
  changed?(change: HostChange): void;
  /** The key for digests of contents, in a plan and in a deployment that is bound to it. */
  readonly digestKey?: string | undefined;
  /** Gets prerequisite data that the host requires. */
  data?(iden1: string, iden2: string): Promise<Buffer | LargeDatum>;
  atEnd: PosixTarget["atEnd"];
  readonly memory: Map<string, unknown>;
  /** The home directory, if it is not that of the connected user. */
  readonly home?: string;
  /** The flags of the connected user, if `home` is another directory. */
  readonly state?: State;
}

/** How a process is started for `run`. */
export interface Execution {
  readonly input: Bytes | undefined;
  readonly env: RunOptions["env"];
  /** Called with each piece of output as it arrives. */
  readonly output: TargetContext["output"] | undefined;
  /** True: only the beginning and the end of long output are kept. */
  readonly excerpt?: boolean;
  /** The most bytes that the command may print, if there is no `excerpt`; OUTPUT_LIMIT unless given. */
  readonly limit?: number | undefined;
  /** Called when the host begins to run it. */
  begun?(): void;
  /** The command as shown to users. */
  readonly shown: string;
  /** True: it changes nothing, and leaves no process behind. */
  readonly looks?: boolean;
  /** True: the script must appear in no process list and in no log. */
  readonly hidden?: boolean;
}

/** How a file is replaced. */
export interface PutOptions extends WriteOptions {
  /** True: creates missing parent directories, with mode 0o755. */
  readonly parents?: boolean;
  /** The `id` that the replaced file must have, or null if there must be none. Omitted: any. */
  readonly expected?: string | null;
  /** When aborted, content that comes in pieces is written no further. */
  readonly signal?: AbortSignal;
  /** True: the content is never shown. */
  readonly secret?: boolean;
}
