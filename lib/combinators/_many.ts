import { type MaybePropApp, type PropApp, withoutEmpty } from "../model/property";
import { list, propapp } from "../model/schema";

/** Several applications, in order. */
export const applications = list(propapp());

/** The arguments of a property that takes a list of applications; empty values are dropped. */
export const sequence = (...given: MaybePropApp[]) => ({ applications: withoutEmpty(given) });

/** A list of applications can be unapplied when each of them can. */
export const allUnappliable = (
  { applications }: { readonly applications: readonly PropApp[] },
  each: (application: PropApp) => boolean,
): boolean => applications.every(each);
