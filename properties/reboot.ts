/** Reboots. */
import { defprop, schema } from "consfigurator";
import { needsRoot } from "./_needs";
import { isContained } from "./container";

const { object } = schema;

/**
 * The host reboots one minute after the end of this deployment, which leaves time to report; only once, however often
 * this is applied. Does nothing in a container that does not contain reboots (see `container.contained`). Counts as a
 * change each time, so use it in `onChange`.
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
      target.inform("not rebooting: that would reboot the machine outside this container\n");
      return "unchanged";
    }
    await needsRoot(target, "reboot.atEnd");
    target.atEnd("reboot.atEnd", async (target) => {
      // Right after the operating system was replaced in place, shutdown(8) may not reach an init process.
      const { exit } = await target.run("shutdown -r +1", { mayFail: true, predict: () => undefined });
      if (exit !== 0) {
        await target.run(
          'nohup sh -c "(sleep 60; shutdown -r now || reboot -f) </dev/null >/dev/null 2>&1 &" >/dev/null 2>&1',
        );
      }
      target.inform(`${target.host.name} REBOOTS IN ONE MINUTE; run "shutdown -c" there to cancel\n`);
    });
    return "changed";
  },
});
