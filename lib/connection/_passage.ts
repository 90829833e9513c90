/** How commands get inside something: another user, a container, another directory. */
export interface CommandWrapper {
  /** What is run over the hop before for the shell text `command`: it ends in `sh -c` of that, or is more of the same script. */
  readonly command: (command: string) => string;
  /** What a person sees of it in messages; `command("…")` unless given. */
  readonly shown?: string;
  /** What to do, from what was said by a passage that did not lead in. */
  readonly remedy?: (said: string) => string | undefined;
  /** True: commands begin in the home directory, or in / when that cannot be entered. */
  readonly atHome?: boolean;
  /** True: that a command was ended by a signal cannot be relied on to be seen from outside, so a shell inside tells it. */
  readonly hidesSignals?: boolean;
  /**
   * True: commands take a process group of their own, because the passage leaves them in its own, and would wait before
   * it ends when it got the same signal.
   */
  readonly ownGroup?: boolean;
  /** True: there are other files inside than outside. */
  readonly otherFiles?: boolean;
  /** A question on stderr that must be answered on stdin before the command begins. */
  readonly prompt?: Prompt;
  /** Done once, when the hop is closed and its commands are ended. */
  readonly close?: () => Promise<void>;
}

export interface Prompt {
  /** What stands on stderr each time a line is waited for; nothing else may contain it. */
  readonly sign: string;
  /** The line, without its end; undefined: there is none. `time` counts from 1 for each command. */
  answer(time: number): Promise<string | undefined>;
}
