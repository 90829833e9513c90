import { FailedChange, RunFailed } from "../model/errors";
import type { PosixTarget } from "../model/target";
import type { CommandResult } from "../model/types";

/** The exit code of a shell, and of a target, for a program that is not there. */
const ABSENT = 127;

/** The result of `command`, which only asks. Throws `FailedChange` with `otherwise` where there is no such program. */
export async function askedOf(
  target: PosixTarget,
  command: readonly string[],
  otherwise: string,
  options: { readonly mayFail?: boolean } = {},
): Promise<CommandResult> {
  const result = await target.query(command, options).catch((error: unknown) => {
    if (error instanceof RunFailed) return error;
    throw error;
  });
  const { exit } = result instanceof RunFailed ? result.result : result;
  if (exit === ABSENT) throw new FailedChange(otherwise);
  if (result instanceof RunFailed) throw result;
  return result;
}
