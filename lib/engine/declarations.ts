import { definitionOf } from "../model/application";
import { described } from "../model/describe";
import { AbortedChange, asError } from "../model/errors";
import { shared } from "../model/host-facts";
import type { PropApp } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { Run } from "./run";
import type { ApplicationSteps } from "./steps";

/**
 * Compares what is declared of the host with the host. If something is not so, that is reported as a failed step and
 * `root` as skipped, and its error is thrown.
 */
export async function compareDeclarations(root: PropApp, run: Run, steps: ApplicationSteps): Promise<void> {
  if (run.stopped()) return;
  const target = run.context.target(run.listener(undefined, () => {}, run.findings(0, [])));
  for (const declaration of target.host.all(shared.declarations)) {
    try {
      const { mismatch } = definitionOf(declaration.property) as Slots;
      const problem = await mismatch?.(declaration.args, target);
      if (problem !== undefined) throw new AbortedChange(problem);
    } catch (error) {
      try {
        const desc = `declared: ${described(declaration)}`;
        await steps.announced(declaration, desc, () => Promise.reject(asAborted(error)));
      } finally {
        steps.skip(root, "the host is not as declared");
      }
    }
  }
}

/** Whatever went wrong, nothing has been changed. */
function asAborted(error: unknown): AbortedChange {
  if (error instanceof AbortedChange) return error;
  const { name, message, stack } = asError(error);
  const aborted = new AbortedChange(`cannot be compared with the host: ${name}: ${message}`);
  return Object.assign(aborted, stack !== undefined && { stack });
}

/** The slot as it is called here: a declaration is of kind "posix". */
interface Slots {
  readonly mismatch?: (args: unknown, target: PosixTarget) => Promise<string | undefined>;
}
