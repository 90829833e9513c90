import { type MaybePropApp, type PropApp, withoutEmpty } from "../model/property";
import { list, propapp } from "../model/schema";

/** Several applications, in order. */
export const applications = list(propapp());

/** As they are said: nothings left out. */
export const sequence = (...said: MaybePropApp[]) => ({ applications: withoutEmpty(said) });

/** What is made of applications can be unapplied when each of them can. */
export const everyOne = (
  { applications }: { readonly applications: readonly PropApp[] },
  each: (application: PropApp) => boolean,
): boolean => applications.every(each);
