import { defprop, type PropApp } from "../model/property";
import { object, propapp, string } from "../model/schema";

/** An application that the user leaves out this time: its facts are recorded, and it is skipped as "unchanged". */
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
