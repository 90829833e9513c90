import { skipAll, untilFailure } from "../engine/sequence";
import { innerOf } from "../model/application";
import { described } from "../model/describe";
import { InapplicableProperty } from "../model/errors";
import { defprop, type MaybePropApp, type PropApp, type Visits, withoutEmpty } from "../model/property";
import { object, optional, propapp } from "../model/schema";
import { applications } from "./_many";
import { isEmptySequence, type OnePropApp, orEmptySequence } from "./sequence";

const one = object({ application: propapp() });
const single = (application: OnePropApp) => ({ application: orEmptySequence(application) });

/**
 * Unapplies `application`. Its facts are not recorded. Refused with `InapplicableProperty`, before connecting, when it
 * cannot be unapplied.
 *
 * @example unapplied(file.containsLines("/etc/hosts", "192.0.2.1 old"))
 */
export const unapplied = defprop({
  name: "unapplied",
  kind: "posix",
  args: one,
  call: single,
  inline: true,
  hostattrs: ({ application }, host, visits) => {
    visits.visit(application, host.copy());
    refuseIrreversible(application, visits);
  },
  apply: ({ application }, _target, steps) => steps.unapply(application),
  unapply: ({ application }, _target, steps) => steps.apply(application),
  skip: ({ application }, steps, reason, direction) =>
    steps.skip(application, reason, direction === "apply" ? "unapply" : "apply"),
});

/**
 * Unapplies `application`, then applies it again, in each deployment. The result is that of applying. Refused with
 * `InapplicableProperty`, before connecting, when `application` cannot be unapplied; `reapplied` itself cannot be unapplied.
 *
 * @example onChange(file.hasContent("/etc/modprobe.d/a.conf", ""), reapplied(systemd.started("nginx")))
 */
export const reapplied = defprop({
  name: "reapplied",
  kind: "posix",
  args: one,
  call: single,
  desc: ({ application }) =>
    `reapplied: ${isEmptySequence(application) ? "nothing" : described(application)}`,
  hostattrs: ({ application }, _host, visits) => {
    visits.visit(application);
    refuseIrreversible(application, visits);
  },
  apply: async ({ application }, _target, steps) => {
    await steps.unapply(application);
    return steps.apply(application);
  },
});

/**
 * Applies each of `holds` in order; the first failure stops the rest. Unapplying *applies* each of `instead` in order, and
 * does not touch `holds`. Without `instead`, it unapplies `holds` in reverse. The facts of `instead` are not recorded.
 *
 * @example withUnapply([cmd.single("a2ensite shop")], [cmd.single("a2dissite shop")])
 */
export const withUnapply = defprop({
  name: "withUnapply",
  kind: "posix",
  args: object({ applications, instead: optional(applications) }),
  call: (holds: readonly MaybePropApp[], instead?: readonly MaybePropApp[]) => ({
    applications: withoutEmpty(holds),
    ...(instead && { instead: withoutEmpty(instead) }),
  }),
  inline: true,
  hostattrs: ({ applications, instead = [] }, host, visits) => {
    for (const each of applications) visits.visit(each);
    const copy = host.copy();
    for (const each of instead) visits.visit(each, copy);
  },
  apply: ({ applications }, _target, steps) => untilFailure(applications, "apply", steps),
  unapply: ({ applications, instead }, _target, steps) =>
    instead
      ? untilFailure(instead, "apply", steps)
      : untilFailure(applications.toReversed(), "unapply", steps),
  unappliable: ({ applications, instead }, each) => instead !== undefined || applications.every(each),
  skip: ({ applications, instead }, steps, reason, direction) => {
    if (direction === "apply") skipAll(applications, reason, "apply", steps);
    else if (instead) skipAll(instead, reason, "apply", steps);
    else skipAll(applications.toReversed(), reason, "unapply", steps);
  },
});

function refuseIrreversible(application: PropApp, visits: Visits): void {
  if (visits.unappliable(application)) return;
  const names = [...new Set(irreversible(application, visits))];
  throw new InapplicableProperty(`${names.join(", ")} cannot be unapplied`);
}

/** Names of the innermost properties that cannot be unapplied. */
function irreversible(application: PropApp, visits: Visits): string[] {
  const inner = innerOf(application).filter((each) => !visits.unappliable(each));
  return inner.length > 0 ? inner.flatMap((each) => irreversible(each, visits)) : [application.property];
}
