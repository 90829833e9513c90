import { despiteFailures, skipAll, untilFailure, whyStopped } from "../engine/sequence";
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
import { applications, everyOne, sequence } from "./_many";

const many = object({ applications });

/**
 * Each of `applications` in order. One that fails is reported, and the next is applied all the same.
 *
 * @example seqprops(apt.installed("nginx"), apt.installed("postfix"))
 */
export const seqprops = defprop({
  name: "seqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  apply: ({ applications }, _target, steps) => despiteFailures(applications, "apply", steps),
  unapply: ({ applications }, _target, steps) => despiteFailures(applications.toReversed(), "unapply", steps),
  unappliable: everyOne,
});

/** One application, or what a condition leaves. An undefined one is more often a name that was written wrong. */
export type OnePropApp = PropApp | null | false;

/** `said`, or what does nothing where a condition has left nothing. */
export const orEmptySequence = (said: OnePropApp): PropApp =>
  said === null || said === false ? seqprops() : said;

/** Whether `application` is what does nothing. */
export const isNothing = ({ property, args }: PropApp): boolean =>
  property === seqprops.definition.name && (args as { applications: unknown[] }).applications.length === 0;

/**
 * Each of `applications` in order. The first that fails stops the rest, which are reported as skipped.
 *
 * @example eseqprops(user.hasAccount("ana"), user.hasGroups("ana", "sudo"))
 */
export const eseqprops = defprop({
  name: "eseqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  apply: ({ applications }, _target, steps) => untilFailure(applications, "apply", steps),
  unapply: ({ applications }, _target, steps) => untilFailure(applications.toReversed(), "unapply", steps),
  unappliable: everyOne,
});

/**
 * As `seqprops`, but its own elements are no steps of the report, unless they fail; what is inside of them is.
 *
 * @example silentSeqprops(eseqprops(apt.updated(), apt.upgraded()), cmd.single("sync"))
 */
export const silentSeqprops = defprop({
  name: "silentSeqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  apply: ({ applications }, _target, steps) =>
    despiteFailures(applications, "apply", steps.within({ quiet: true })),
  unapply: ({ applications }, _target, steps) =>
    despiteFailures(applications.toReversed(), "unapply", steps.within({ quiet: true })),
  unappliable: everyOne,
});

/**
 * Each of `applications` in order, until one ends with an error of the class `error`, or of one that extends it, however
 * deep inside. That is no failure: it and the rest are reported as skipped, and what stands after this sequence is
 * applied. Any other failure is as in `eseqprops`.
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
  call: (error: string, ...said: MaybePropApp[]) => ({ error, applications: withoutEmpty(said) }),
  inline: true,
  apply: ({ error, applications }, _target, steps) => until(error, applications, "apply", steps),
  unapply: ({ error, applications }, _target, steps) =>
    until(error, applications.toReversed(), "unapply", steps),
  unappliable: everyOne,
});

/** A sequence that was given up after a change, or in the middle of one, has changed something. */
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
 * `application`, after each of `requirements`, of which the last is applied first; the first failure stops the rest.
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
  apply: ({ applications }, _target, steps) => untilFailure(applications, "apply", steps),
  unapply: ({ applications }, _target, steps) => untilFailure(applications.toReversed(), "unapply", steps),
  unappliable: everyOne,
});

/** How many steps `concurrently` has going, unless it is told. */
const USUAL_AT_ONCE = 4;

/**
 * All of `applications`, several at once: four, or `atOnce`. They may begin and end in any order, so none may need
 * another, nor want what only one can have, as the lock of dpkg. One that fails is reported, and the others are applied
 * all the same. Their facts are recorded in the order in which they are written.
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
  apply: ({ applications, atOnce }, _target, steps) => severalAtOnce(applications, atOnce, "apply", steps),
  unapply: ({ applications, atOnce }, _target, steps) =>
    severalAtOnce(applications.toReversed(), atOnce, "unapply", steps),
  unappliable: everyOne,
});

/** What is under way is waited for, whatever becomes of the others. */
async function severalAtOnce(
  applications: readonly PropApp[],
  atOnce = USUAL_AT_ONCE,
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
