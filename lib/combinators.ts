import { strictly, tolerantly } from "./_sequence";
import { InapplicableProperty } from "./errors";
import { defprop, type MaybePropApp, type PropApp, withoutNothings } from "./property";
import { list, object, propapp } from "./schema";

const many = object({ applications: list(propapp()) });
const sequence = (...applications: MaybePropApp[]) => ({ applications: withoutNothings(applications) });
const everyOne = ({ applications }: { applications: PropApp[] }, each: (application: PropApp) => boolean) =>
  applications.every(each);

/** Each of `applications` in order. One that fails is reported, and the next is applied all the same. */
export const seqprops = defprop({
  name: "seqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  apply: ({ applications }, _target, steps) => tolerantly(applications, "apply", steps),
  unapply: ({ applications }, _target, steps) => tolerantly(applications.toReversed(), "unapply", steps),
  unappliable: everyOne,
});

/** Each of `applications` in order. The first that fails stops the rest, which are reported as skipped. */
export const eseqprops = defprop({
  name: "eseqprops",
  kind: "posix",
  args: many,
  call: sequence,
  inline: true,
  apply: ({ applications }, _target, steps) => strictly(applications, "apply", steps),
  unapply: ({ applications }, _target, steps) => strictly(applications.toReversed(), "unapply", steps),
  unappliable: everyOne,
});

/** `application` does not hold: it is unapplied. Refused before connecting when it cannot be. */
export const unapplied = defprop({
  name: "unapplied",
  kind: "posix",
  args: object({ application: propapp() }),
  call: (application: PropApp) => ({ application }),
  inline: true,
  hostattrs: ({ application }, host, visits) => {
    visits.visit(application, host.copy());
    if (!visits.unappliable(application))
      throw new InapplicableProperty(`${application.property} cannot be unapplied`);
  },
  apply: ({ application }, _target, steps) => steps.unapply(application),
  unapply: ({ application }, _target, steps) => steps.apply(application),
});

/** `when` holds; if it was changed for that, each of `then` is applied in order. */
export const onChange = defprop({
  name: "onChange",
  kind: "posix",
  args: object({ when: propapp(), then: list(propapp()) }),
  call: (when: PropApp, ...then: MaybePropApp[]) => ({ when, then: withoutNothings(then) }),
  inline: true,
  apply: async ({ when, then }, _target, steps) => {
    const change = await steps.apply(when);
    if (change === "changed") await strictly(then, "apply", steps);
    return change;
  },
  unapply: async ({ when, then }, _target, steps) => {
    const change = await steps.unapply(when);
    if (change === "changed") await strictly(then, "apply", steps);
    return change;
  },
  unappliable: ({ when }, each) => each(when),
});
