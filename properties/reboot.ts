/** Rebooting. */
import { defprop, schema } from "consfigurator";
import { needsRoot } from "./_needs";
import { isContained } from "./container";

const { object } = schema;

/**
 * The host reboots one minute after the end of this deployment, so that there is time to report; once, however often
 * this is said. In a container whose reboot is not its own (`container.contained`) nothing is done. It counts as a change
 * each time, so it stands in `onChange`.
 *
 * @example onChange(apt.upgraded(), reboot.atEnd())
 */
export const atEnd = defprop({
  name: "reboot.atEnd",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "reboot at the end",
  apply: async (_args, target) => {
    if (!isContained(target.host, "reboot")) {
      target.inform("no reboot: it would be that of the machine around this container\n");
      return "unchanged";
    }
    await needsRoot(target, "reboot.atEnd");
    target.atEnd("reboot.atEnd", async (target) => {
      // Right after an operating system was replaced in place, shutdown(8) may have nobody to talk to.
      if (!(await target.succeeds("shutdown -r +1"))) {
        await target.run(
          'nohup sh -c "(sleep 60; shutdown -r now || reboot -f) </dev/null >/dev/null 2>&1 &" >/dev/null 2>&1',
        );
      }
      target.inform(`${target.host.name} REBOOTS IN ONE MINUTE; "shutdown -c" there calls it off\n`);
    });
    return "changed";
  },
});
