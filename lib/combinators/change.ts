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
import { applications } from "./_many";
import { Owed } from "./_owed";
import { type OnePropApp, orEmptySequence } from "./sequence";

const change = object({ when: propapp(), then: applications });
const changing = (when: OnePropApp, ...then: MaybePropApp[]) => ({
  when: orEmptySequence(when),
  then: withoutEmpty(then),
});

/**
 * `when` holds; if it was changed for that, each of `then` is applied in order, and the first failure stops the rest.
 * What should have followed a change and did not, because something failed or the deployment was broken off, is done by
 * the next one: until then a mark is kept on the host. It comes to what `when` came to. Unapplied, `when` is; if that
 * was a change, `then` is applied.
 *
 * @example onChange(file.hasContent("/etc/motd.conf", "port=80\n"), systemd.restarted("motd"))
 */
export const onChange = defprop({
  name: "onChange",
  kind: "posix",
  args: change,
  call: changing,
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
 * As `onChange`; unapplied, `when` is, and nothing else.
 *
 * @example onApplyChange(apt.installed("postgresql"), cmd.single("createdb shop"))
 */
export const onApplyChange = defprop({
  name: "onApplyChange",
  kind: "posix",
  args: change,
  call: changing,
  inline: true,
  apply: (args, target, steps) => followed(args, "apply", target, steps),
  unapply: async (args, target, steps) => {
    const owed = new Owed(args, target, steps);
    const change = await steps.unapply(args.when);
    await owed.forget();
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
  const owed = new Owed(args, target, steps);
  const change = await owed
    .around((watched) => watched[direction](when))
    .catch((error) => {
      skipAll(then, whyStopped(when, error, steps), "apply", steps);
      throw error;
    });
  const left = await owed.isLeft();
  if (change === "unchanged" && !left) {
    await owed.forget();
    return change;
  }
  if (change === "unchanged") steps.notice(leftOver(when, then));
  await owed.mark();
  await untilFailure(then, "apply", steps);
  await owed.forget();
  return change;
}

const leftOver = (when: PropApp, then: readonly PropApp[]): string =>
  `an earlier deployment changed ${when.property} at ${when.site}, and did not come to what should follow; ${then.map(({ property }) => property).join(", ")} is applied now`;

/**
 * `application`; when it has to be changed, each of `requirements` is applied before, of which the last is first, inside
 * of the step that needs it. Their failure is its failure. Where it holds already they are not looked at. A property without
 * a `check` finds out too late, so its requirements are always applied. Unapplied, the requirements stay.
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
