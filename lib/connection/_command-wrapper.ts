/** A command that runs other commands as another user, in a container, in another directory, … */
export interface CommandWrapper {
  /** Returns what the hop before it runs for the shell text `command`: `… sh -c command`, or a script that ends in it. */
  readonly command: (command: string) => string;
  /** The wrapper as messages show it; default: `command("…")`. */
  readonly shown?: string;
  /** Returns advice for the user, given the output of a wrapper that failed. */
  readonly remedy?: (output: string) => string | undefined;
  /** True: commands start in the home directory, or in / when it cannot be entered. */
  readonly atHome?: boolean;
  /** True: the wrapper does not reliably report that a signal ended the command, so a shell inside reports its exit code. */
  readonly hidesSignals?: boolean;
  /**
   * True: commands run in a process group of their own. The wrapper would leave them in its own group, and delay its exit
   * when it receives the same signal.
   */
  readonly ownGroup?: boolean;
  /** True: commands see other files than the hop before it. */
  readonly otherFiles?: boolean;
  /** A question on stderr that must be answered on stdin before the command starts. */
  readonly prompt?: Prompt;
  /** Runs once, after the hop is closed and its commands have ended. */
  readonly close?: () => Promise<void>;
}

export interface Prompt {
  /** Printed on stderr each time a line is expected; no other output may contain it. */
  readonly sign: string;
  /** Returns the line without its newline, or undefined for no answer. `time` counts from 1 for each command. */
  answer(time: number): Promise<string | undefined>;
  /** What the wrapper prints before it asks for something else: then its input is ended, and it fails. */
  readonly hopeless?: RegExp;
}
