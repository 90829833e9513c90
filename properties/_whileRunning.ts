import {
  type Change,
  type HostModel,
  type PosixTarget,
  type PropApp,
  type Steps,
  untilFailure,
  type Visits,
} from "consfigurator";
import { isInhibited } from "./_inhibited";

interface Applications {
  readonly applications: readonly PropApp[];
}

/**
 * The slots of a property that applies its applications in order while something runs, and does nothing otherwise, nor where
 * services are inhibited. The first failure stops the rest.
 */
export const whileRunning = <A extends Applications>(
  isRunning: (args: A, target: PosixTarget) => Promise<boolean>,
) => {
  const unlessIdle = async (args: A, target: PosixTarget, act: () => Promise<Change>): Promise<Change> =>
    !isInhibited(target) && (await isRunning(args, target)) ? act() : "unchanged";
  return {
    kind: "posix" as const,
    hostattrs: ({ applications }: A, _host: HostModel, visits: Visits): void => {
      for (const application of applications) visits.visit(application);
    },
    apply: (args: A, target: PosixTarget, steps: Steps): Promise<Change> =>
      unlessIdle(args, target, () => untilFailure(args.applications, "apply", steps)),
    unapply: (args: A, target: PosixTarget, steps: Steps): Promise<Change> =>
      unlessIdle(args, target, () => untilFailure(args.applications.toReversed(), "unapply", steps)),
    unappliable: ({ applications }: A, each: (application: PropApp) => boolean): boolean =>
      applications.every(each),
  };
};
