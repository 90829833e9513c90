import { skipAll, untilFailure, whyStopped } from "../engine/sequence";
import {
  type Change,
  type Direction,
  defprop,
  type MaybePropApp,
  type PropApp,
  type Steps,
  withoutEmpty,
} from "../model/property";
import { object, propapp } from "../model/schema";
import type { PosixTarget } from "../model/target";
import { FollowUp } from "./_follow-up";
import { applications } from "./_many";
import { type OnePropApp, orEmptySequence } from "./sequence";

const change = object({ when: propapp(), then: applications });
const onChangeArgs = (when: OnePropApp, ...then: MaybePropApp[]) => ({
  when: orEmptySequence(when),
  then: withoutEmpty(then),
});

/**
 * Applies `when`; if that changed something, applies each of `then` in order, and the first failure stops the rest. If
 * `then` does not complete after a change, because a step failed or the deployment was interrupted, the next deployment
 * runs it: until then a flag is kept on the host. The result is that of `when`. Unapplying unapplies `when`, and applies
 * `then` if that changed something.
 *
 * @example onChange(file.hasContent("/etc/motd.conf", "port=80\n"), systemd.restarted("motd"))
 */
export const onChange = defprop({
  name: "onChange",
  kind: "posix",
  args: change,
  call: onChangeArgs,
  inline: true,
  apply: (args, target, steps) => followed(args, "apply", target, steps),
  unapply: (args, target, steps) => followed(args, "unapply", target, steps),
  unappliable: ({ when }, each) => each(when),
  skip: ({ when, then }, steps, reason, direction) => {
    steps.skip(when, reason, direction);
    skipAll(then, reason, "apply", steps);
  },
});

/**
 * As `onChange`, but unapplying only unapplies `when`.
 *
 * @example onApplyChange(apt.installed("postgresql"), cmd.single("createdb shop"))
 */
export const onApplyChange = defprop({
  name: "onApplyChange",
  kind: "posix",
  args: change,
  call: onChangeArgs,
  inline: true,
  apply: (args, target, steps) => followed(args, "apply", target, steps),
  unapply: async (args, target, steps) => {
    const followUp = new FollowUp(args, target, steps);
    const change = await steps.unapply(args.when);
    await followUp.clear();
    return change;
  },
  unappliable: ({ when }, each) => each(when),
  skip: ({ when, then }, steps, reason, direction) => {
    steps.skip(when, reason, direction);
    if (direction === "apply") skipAll(then, reason, "apply", steps);
  },
});

async function followed(
  args: { readonly when: PropApp; readonly then: readonly PropApp[] },
  direction: Direction,
  target: PosixTarget,
  steps: Steps,
): Promise<Change> {
  const { when, then } = args;
  if (then.length === 0) return steps[direction](when);
  const followUp = new FollowUp(args, target, steps);
  const change = await followUp
    .around((watched) => watched[direction](when))
    .catch((error) => {
      skipAll(then, whyStopped(when, error, steps), "apply", steps);
      throw error;
    });
  const leftUndone = await followUp.leftUndone();
  if (change === "unchanged" && !leftUndone) {
    await followUp.clear();
    return change;
  }
  if (change === "unchanged") steps.notice(leftUndoneNotice(when, then));
  await followUp.setPending();
  await untilFailure(then, "apply", steps.following());
  await followUp.clear();
  return change;
}

const leftUndoneNotice = (when: PropApp, then: readonly PropApp[]): string =>
  `the follow-up of ${when.property} at ${when.site} was left undone; running ${then.map(({ property }) => property).join(", ")} now`;

/**
 * Applies `application`; if it needs a change, applies each of `requirements` first, the last one first, inside the step
 * that needs them. When one fails, that step fails. If `application` already holds, the requirements are not checked. A
 * property without a `check` cannot tell in advance, so its requirements are always applied. Unapplying leaves the
 * requirements applied.
 *
 * @example withRequirementsForChange(cmd.single("make -C /srv/app", { creates: "/srv/app/bin" }), apt.installed("make"))
 */
export const withRequirementsForChange = defprop({
  name: "withRequirementsForChange",
  kind: "posix",
  args: object({ application: propapp(), requirements: applications }),
  call: (application: OnePropApp, ...requirements: MaybePropApp[]) => ({
    application: orEmptySequence(application),
    requirements: withoutEmpty(requirements).toReversed(),
  }),
  inline: true,
  hostattrs: ({ application, requirements }, _host, visits) => {
    for (const each of requirements) visits.visit(each);
    visits.visit(application);
  },
  apply: async ({ application, requirements }, _target, steps) => {
    let met: Promise<Change> | undefined;
    const beforeChange = async (inner: Steps) => {
      met ??= untilFailure(requirements, "apply", inner);
      await met;
    };
    const change = await steps.within({ beforeChange }).apply(application);
    return change === "changed" ? change : ((await met) ?? "unchanged");
  },
  unapply: ({ application }, _target, steps) => steps.unapply(application),
  unappliable: ({ application }, each) => each(application),
  skip: ({ application }, steps, reason, direction) => steps.skip(application, reason, direction),
});
