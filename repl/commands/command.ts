import type { Shell } from "../shell";

/** The context in which a dot-command runs. */
export interface CommandContext {
  readonly shell: Shell;
  /** All commands by name. */
  readonly commands: ReadonlyMap<string, Command>;
  /** Runs a playbook in this session; false if a deployment failed. */
  play(file: string): Promise<boolean>;
  /** Interrupts the command; only at the prompt. */
  readonly signal?: AbortSignal;
}

/** A dot-command. An error it throws is printed; it ends a playbook, but not the prompt. */
export interface Command {
  readonly name: string;
  /** The parameters after the name, such as `FILE`. */
  readonly parameters?: string;
  /** One line for `.help`. */
  readonly summary: string;
  /** Candidates for completing the argument. */
  readonly completions?: (context: Pick<CommandContext, "shell">) => readonly string[];
  /** True: the argument is a file name. */
  readonly takesFile?: boolean;
  run(argument: string, context: CommandContext): Promise<void> | void;
}
