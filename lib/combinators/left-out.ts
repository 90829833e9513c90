import { defprop, type PropApp } from "../model/property";
import { object, propapp, string } from "../model/schema";

/**
 * What a person said to leave out this time: its facts are recorded as ever, and it is reported as skipped. Whoever
 * looks at what it came to finds that it changed nothing.
 */
export const leftOut = defprop({
  name: "_leftOut",
  kind: "posix",
  args: object({ application: propapp(), reason: string() }),
  call: (application: PropApp, reason: string) => ({ application, reason }),
  inline: true,
  apply: async ({ application, reason }, _target, steps) => {
    steps.skip(application, reason);
    return "unchanged";
  },
  unapply: async ({ application, reason }, _target, steps) => {
    steps.skip(application, reason, "unapply");
    return "unchanged";
  },
  unappliable: () => true,
});
