import { despiteFailures, sequenceSlots, skipAll, untilFailure, whyStopped } from "../engine/sequence";
import { AbortedChange } from "../model/errors";
import { isApplication } from "../model/host";
import {
  type Change,
  type Direction,
  defprop,
  type MaybePropApp,
  type PropApp,
  type Steps,
  withoutEmpty,
} from "../model/property";
import { integer, object, optional, string } from "../model/schema";
import { allUnappliable, applications, sequence } from "./_many";

const many = object({ applications });

/**
 * Applies each of `applications` in order. A failure is reported and does not stop the rest.
 *
 * @example seqprops(apt.installed("nginx"), apt.installed("postfix"))
 */
export const seqprops = defprop({
  name: "seqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  ...sequenceSlots(despiteFailures),
  unappliable: allUnappliable,
});

/** One application, or the empty value of a condition. `undefined` is refused: it is usually a misspelled name. */
export type OnePropApp = PropApp | null | false;

/** `given`, or an empty sequence for an empty value. */
export const orEmptySequence = (given: OnePropApp): PropApp =>
  given === null || given === false ? seqprops() : given;

/** True for the result of `orEmptySequence` for an empty value. */
export const isEmptySequence = ({ property, args }: PropApp): boolean =>
  property === seqprops.definition.name && (args as { applications: unknown[] }).applications.length === 0;

/**
 * Applies each of `applications` in order. The first failure stops the rest, which are reported as skipped.
 *
 * @example eseqprops(user.hasAccount("ana"), user.hasGroups("ana", "sudo"))
 */
export const eseqprops = defprop({
  name: "eseqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  ...sequenceSlots(untilFailure),
  unappliable: allUnappliable,
});

/**
 * As `seqprops`, but its own elements are not reported as steps unless they fail; the steps inside them are.
 *
 * @example silentSeqprops(eseqprops(apt.updated(), apt.upgraded()), cmd.single("sync"))
 */
export const silentSeqprops = defprop({
  name: "silentSeqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  ...sequenceSlots(despiteFailures, { quiet: true }),
  unappliable: allUnappliable,
});

/**
 * Applies each of `applications` in order until one throws an error of the class `error` or of a subclass, at any depth.
 * That does not count as a failure: the application and the rest are reported as skipped, and the deployment continues
 * after this sequence. Any other failure is handled as in `eseqprops`.
 *
 * @example eseqpropsUntil("AbortedChange", cmd.single("true"), apt.installed("nginx"))
 */
export const eseqpropsUntil = defprop({
  name: "eseqpropsUntil",
  kind: "posix",
  args: object({
    error: string({
      pattern: "^[A-Za-z_$][\\w$]*$",
      description: 'the name of a class, such as "AbortedChange"',
    }),
    applications,
  }),
  call: (error: string, ...given: MaybePropApp[]) => ({ error, applications: withoutEmpty(given) }),
  inline: true,
  apply: ({ error, applications }, _target, steps) => until(error, applications, "apply", steps),
  unapply: ({ error, applications }, _target, steps) =>
    until(error, applications.toReversed(), "unapply", steps),
  unappliable: allUnappliable,
});

/** A sequence that ends early after a change, or in the middle of one, counts as changed. */
async function until(
  name: string,
  applications: readonly PropApp[],
  direction: Direction,
  steps: Steps,
): Promise<Change> {
  const inner = steps.within({ expects: name });
  try {
    return await untilFailure(applications, direction, inner);
  } catch (error) {
    if (!inner.expects(error) || steps.expects(error)) throw error;
    return error instanceof AbortedChange && !steps.touched ? "unchanged" : "changed";
  }
}

/**
 * Applies each of `requirements`, the last one first, then `application`. The first failure stops the rest.
 *
 * @example withRequirements(systemd.started("nginx"), file.hasContent("/etc/nginx/conf.d/a.conf", ""), apt.installed("nginx"))
 */
export const withRequirements = defprop({
  name: "withRequirements",
  kind: "posix",
  args: many,
  call: (application: PropApp, ...requirements: MaybePropApp[]) =>
    sequence(...requirements.toReversed(), application),
  inline: true,
  ...sequenceSlots(untilFailure),
  unappliable: allUnappliable,
});

const DEFAULT_AT_ONCE = 4;

/**
 * Applies all of `applications`, up to `atOnce` of them at a time (1 to 64; default 4). They may start and end in any
 * order, so they must not depend on each other or need an exclusive resource, such as the dpkg lock. A failure is reported
 * and does not stop the others. Facts are recorded in the order in which the applications are written.
 *
 * @example concurrently({ atOnce: 8 }, cmd.single("make -C /srv/a"), cmd.single("make -C /srv/b"))
 */
export const concurrently = defprop({
  name: "concurrently",
  kind: "posix",
  args: object({ applications, atOnce: optional(integer({ minimum: 1, maximum: 64 })) }),
  call: (...params: (MaybePropApp | { readonly atOnce?: number })[]) => {
    const [first, ...others] = params;
    const hasOptions = typeof first === "object" && first !== null && !isApplication(first);
    return {
      ...(hasOptions ? first : {}),
      ...sequence(...((hasOptions ? others : params) as MaybePropApp[])),
    };
  },
  inline: true,
  apply: ({ applications, atOnce }, _target, steps) =>
    applyConcurrently(applications, atOnce, "apply", steps),
  unapply: ({ applications, atOnce }, _target, steps) =>
    applyConcurrently(applications.toReversed(), atOnce, "unapply", steps),
  unappliable: allUnappliable,
});

/** Always waits for the applications that have started. */
async function applyConcurrently(
  applications: readonly PropApp[],
  atOnce = DEFAULT_AT_ONCE,
  direction: Direction,
  steps: Steps,
): Promise<Change> {
  const waiting = [...applications];
  let change: Change = "unchanged";
  let broken: { readonly by: PropApp; readonly error: unknown } | undefined;
  const lane = async () => {
    while (!broken) {
      const next = waiting.shift();
      if (!next) return;
      try {
        const outcome = await steps.attempt(next, direction);
        if (outcome === "changed" || outcome === "failed") change = "changed";
      } catch (error) {
        broken ??= { by: next, error };
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  if (!broken) return change;
  const { by, error } = broken as { readonly by: PropApp; readonly error: unknown };
  skipAll(waiting, whyStopped(by, error, steps), direction, steps);
  throw error;
}
