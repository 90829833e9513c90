import type { Shell } from "../shell";

/** What a dot-command works with. */
export interface CommandContext {
  readonly shell: Shell;
  /** All of them, by name. */
  readonly commands: ReadonlyMap<string, Command>;
  /** Plays a playbook here; false when a deployment failed. */
  play(file: string): Promise<boolean>;
  /** At the prompt: breaks off the waiting. */
  readonly signal?: AbortSignal;
}

/** One dot-command. What it throws is shown, and ends nothing but a playbook. */
export interface Command {
  readonly name: string;
  /** What follows the name, such as `FILE`. */
  readonly takes?: string;
  /** For `.help`: what it does, in a line. */
  readonly does: string;
  /** Words that may follow, for completion. */
  readonly completions?: (context: Pick<CommandContext, "shell">) => readonly string[];
  /** True: what follows is the name of a file. */
  readonly takesFile?: boolean;
  run(argument: string, context: CommandContext): Promise<void> | void;
}
