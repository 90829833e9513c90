import type { HostParts } from "../../model/target";
import type { Answer } from "./batch";

/** A question to a host: a script that changes nothing. */
export interface Question {
  readonly script: string;
  /** What people may see of it. */
  readonly shown: string;
  /** All that the answer depends on. Undefined: anything. */
  readonly about: HostParts | undefined;
  /** The path of the only file that it is about, as one word of shell text. */
  readonly file?: string;
  /** True: a command of a property, which may take its time, and whose errors are printed apart. */
  readonly isCommand?: boolean;
  /** True: nobody may see the command in the list of processes. */
  readonly isHidden?: boolean | undefined;
  /** True: the answer is not kept, so it is not asked ahead of its turn. */
  readonly isPassing?: boolean;
  /** The most bytes that the answer may have. */
  readonly limit?: number | undefined;
}

/** What an act has changed: what is at a place to which no link leads, or parts of the host. Undefined: anything. */
export type Changed = { readonly place: string } | { readonly parts: HostParts } | undefined;

/** How the target of a step asks and acts: when its turn has come, or ahead of it. */
export interface Turn {
  /** The answer to `question`; `live` asks the host now. */
  ask(question: Question, live: () => Promise<Answer>): Promise<Answer>;
  /** Does `work`, which acts. `changed` tells from its result what it has changed. */
  act<T>(work: () => Promise<T>, changed?: (result: T) => Changed): Promise<T>;
}

/** Everything is asked when it is needed, and nothing is kept. */
export const UNPREPARED: Turn = { ask: (_question, live) => live(), act: (work) => work() };
