/** Applies a prepared property to a target, and collects the results. */
import { applyTree } from "../../lib/engine/apply";
import type { AtEnd } from "../../lib/engine/run";
import { definitionOf } from "../../lib/model/application";
import type { Failure } from "../../lib/model/errors";
import type { HostModel } from "../../lib/model/host";
import type { Change, PropApp } from "../../lib/model/property";
import type { PosixTarget } from "../../lib/model/target";
import type { TargetContext } from "../../lib/target/context";

export interface Applied {
  readonly change: Change;
  /** The failures of all steps, innermost first. */
  readonly failures: readonly Failure[];
  /** Output of the steps. */
  readonly output: string;
  /** Each step: its description and status. */
  readonly steps: readonly string[];
  /** Every command that was run; spawned processes, when the target is local. */
  readonly commands: readonly string[];
}

/** The result of the `check` of a property, and the commands it ran. */
export interface Checked {
  readonly holds: boolean;
  readonly commands: readonly string[];
}

export async function checked(
  { property, args }: PropApp,
  host: HostModel,
  target: (context: TargetContext) => PosixTarget,
): Promise<Checked> {
  const { check } = definitionOf(property) as {
    check?: (args: unknown, on: PosixTarget) => Promise<boolean>;
  };
  if (!check) throw new Error(`${property} has no check`);
  const signal = new AbortController().signal;
  const made = target({ host, signal, output: () => {}, memory: new Map(), atEnd: () => {} });
  const commands = recordCommands(made);
  return { holds: await check(args, made), commands };
}

/** Records the commands that `target` runs from now on. */
function recordCommands(target: PosixTarget, commands: string[] = []): string[] {
  const run = target.run.bind(target);
  target.run = (command, options) => {
    commands.push(typeof command === "string" ? command : command.join(" "));
    return run(command, options);
  };
  return commands;
}

export async function applied(
  application: PropApp,
  host: HostModel,
  target: (context: TargetContext) => PosixTarget,
): Promise<Applied> {
  const result = { failures: [] as Failure[], output: "", steps: [] as string[], commands: [] as string[] };
  const descs = new Map<number, string>();
  const atEnd: AtEnd = new Map();
  const memory = new Map<string, unknown>();
  const { change } = await applyTree(application, {
    target: ({ output, changed }) => {
      const made = target({
        host,
        changed,
        signal: new AbortController().signal,
        output,
        memory,
        atEnd: (key, act) => void atEnd.set(key, act),
      });
      recordCommands(made, result.commands);
      return made;
    },
    emit: (event) => {
      if (event.kind === "step-started") descs.set(event.step, event.desc);
      if (event.kind === "step-output") result.output += event.text;
      if (event.kind === "step-ended") {
        const reason = event.reason ? ` (${event.reason})` : "";
        result.steps.push(`${descs.get(event.step)}: ${event.status}${reason}`);
        if (event.failure) result.failures.push(event.failure);
      }
    },
    stopped: () => undefined,
    atEnd,
  });
  return { change, ...result };
}
