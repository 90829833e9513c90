/** Applies a prepared property to a target, and collects the results. */
import { applyTree } from "../../lib/engine/apply";
import type { AtEnd } from "../../lib/engine/run";
import { definitionOf } from "../../lib/model/application";
import type { Failure } from "../../lib/model/errors";
import type { HostModel } from "../../lib/model/host";
import type { Change, PropApp } from "../../lib/model/property";
import type { Command, PosixTarget } from "../../lib/model/target";
import type { TargetBase } from "../../lib/target/base";
import type { TargetContext } from "../../lib/target/context";
import {
  assertCameTrue,
  type PlannedOutcome,
  plannedOutcome,
  StepOutcomes,
} from "../../lib/test-harness/planning";

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
  const [run, query] = [target.run.bind(target), target.query.bind(target)];
  const record = (command: Command) =>
    commands.push(typeof command === "string" ? command : command.join(" "));
  target.run = (command, options) => {
    record(command);
    return run(command, options);
  };
  target.query = (command, options) => {
    record(command);
    return query(command, options);
  };
  return commands;
}

/** Plans a prepared property. */
export const plannedBefore = (
  application: PropApp,
  host: HostModel,
  target: (context: TargetContext) => PosixTarget,
): Promise<PlannedOutcome> => {
  const { signal, memory } = idle(host);
  return plannedOutcome(application, { host, signal, memory }, (context) => target(context) as TargetBase);
};

const idle = (host: HostModel): TargetContext => ({
  host,
  signal: new AbortController().signal,
  output: () => {},
  memory: new Map(),
  atEnd: () => {},
});

/** Applies a prepared property, and asserts that its plan, which is made now unless it was just made, came true. */
export async function applied(
  application: PropApp,
  host: HostModel,
  target: (context: TargetContext) => PosixTarget,
  plan?: PlannedOutcome,
): Promise<Applied> {
  const planned = plan ?? (await plannedBefore(application, host, target));
  const outcomes = new StepOutcomes();
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
      outcomes.add(event);
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
  await assertCameTrue(planned, outcomes.steps, target(idle(host)));
  return { change, ...result };
}
