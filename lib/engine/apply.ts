import { ConnectionFailed, type Expected } from "../model/errors";
import type { Resumption } from "../model/job";
import type { Change, PropApp } from "../model/property";
import { compareDeclarations } from "./declarations";
import { type ApplyContext, type Outcome, Run } from "./run";
import { ApplicationSteps } from "./steps";

/**
 * Applies the prepared tree `root`, then the work registered for the end, unless a failure stopped the tree. Nothing is
 * applied if the host is not what is declared of it. Failures of steps are reported as events, never thrown.
 */
export async function applyTree(root: PropApp, context: ApplyContext): Promise<Outcome> {
  const run = new Run(context, root);
  const stopListening = context.onUnhandledError?.((error) => run.failUnhandled(error));
  try {
    const steps = ApplicationSteps.topLevel(run);
    if (!run.stopped()) run.ahead?.look();
    const { result, expected } = await (context.resumed
      ? resumeRoot(root, context.resumed, run, steps)
      : attemptRoot(root, run, steps));
    const broken = result === "failed" || result === "aborted" ? result : undefined;
    // The follow-up of an earlier deployment changes something although its property was unchanged.
    const change: Change =
      steps.touched || result === "changed" || result === "failed" ? "changed" : "unchanged";
    const rebootsFrom = await applyAtEnd(context, steps, {
      change,
      failed: run.failed,
      stopped: broken !== undefined,
    });
    const { failed, cancelled } = run;
    const uncertain = steps.isUncertain && { uncertain: true };
    const deviated = run.deviated && { deviated: run.deviated };
    return {
      change,
      failed,
      cancelled,
      ...uncertain,
      ...(rebootsFrom !== undefined && { rebootsFrom }),
      ...deviated,
      ...(expected ? { expected } : broken && { broken }),
    };
  } finally {
    stopListening?.();
  }
}

interface RootResult {
  readonly result: Change | "failed" | "aborted";
  /** The error that ended the root, when a combinator around this tree expects it. */
  readonly expected?: Expected;
}

async function attemptRoot(root: PropApp, run: Run, steps: ApplicationSteps): Promise<RootResult> {
  try {
    await compareDeclarations(root, run, steps);
  } catch (error) {
    if (error instanceof ConnectionFailed) throw error;
    const expected = steps.expectedAs(error);
    return { result: "aborted", ...(expected && { expected }) };
  }
  return applyRoot(root, steps);
}

/** Goes on where the tree was left. */
async function resumeRoot(
  root: PropApp,
  { again, path }: Resumption,
  run: Run,
  steps: ApplicationSteps,
): Promise<RootResult> {
  for (const each of again) await steps.within({ quiet: true }).attempt(each);
  run.resuming.push(...path);
  return applyRoot(root, steps);
}

async function applyRoot(root: PropApp, steps: ApplicationSteps): Promise<RootResult> {
  try {
    return { result: await steps.attempt(root) };
  } catch (error) {
    const expected = steps.expectedAs(error);
    if (!expected) throw error;
    return { result: expected.touched ? "failed" : "aborted", expected };
  }
}

interface Ended {
  readonly change: Change;
  readonly failed: boolean;
  readonly stopped: boolean;
}

/** Last registered first; one that fails does not stop the next. Resolves to the boot ID before a reboot that has begun. */
async function applyAtEnd(
  { atEnd, emit }: ApplyContext,
  steps: ApplicationSteps,
  { change, failed, stopped }: Ended,
): Promise<string | undefined> {
  let rebootsFrom: string | undefined;
  for (const [key, act] of [...atEnd].reverse()) {
    if (stopped) {
      emit({ kind: "notice", text: `skipped because the deployment did not finish: ${key}` });
      continue;
    }
    const work = async (target: Parameters<typeof act>[0]): Promise<Change> => {
      const done = (await act(target, change, failed)) ?? "changed";
      if (typeof done === "string") return done;
      rebootsFrom = done.rebootsFrom;
      return "changed";
    };
    await steps.announced({ property: "atEnd", site: "" }, "at the end", work).catch(() => {});
  }
  return rebootsFrom;
}
