import {
  type Change,
  defprop,
  defproplist,
  imageDumped,
  LATEST_IMAGE,
  type PosixTarget,
  schema,
  untilFailure,
} from "consfigurator";
import { needsRoot, rootRequired } from "./_needs";
import * as os from "./_os";
import { callOfRepetition, repeatedWithout } from "./_repetition";
import { linkedState, systemctl } from "./_systemctl";
import { execWord } from "./_unitText";
import { isInhibited } from "./service";

const { datum, list, object, optional, string } = schema;

const when = () =>
  string({
    pattern: "^[A-Za-z0-9*][^\\n]*$",
    description: 'a time as in systemd.time(7), such as "daily" or "Mon *-*-* 04:30"',
  });
const UNITS = "/etc/systemd/system";
const SERVICE = "consfigurator.service";
const TIMER = "consfigurator.timer";

/**
 * The host repeats this deployment at the times `when`, without a controller, to correct drift between deployments. A
 * missed run is caught up on. The host repeats the last deployment that included this property, with any further
 * applications given to `deploy`. The outcome is in the journal of consfigurator.service. The prerequisite data that it
 * needs is kept on the host, but that of `without`: see `imageDumped`. Unapplying it removes the data, and what repeats the
 * deployment.
 *
 * @example systemd.runsConfigurator("daily")
 * @example systemd.runsConfigurator("daily", { without: [["_ca", "key"]] })
 */
export const runsConfigurator = defproplist({
  name: "systemd.runsConfigurator",
  args: object({ when: when(), without: optional(list(datum())) }),
  call: callOfRepetition,
  desc: ({ when }) => `${when}: repeat this deployment`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ when, without }) => [
    rootRequired("systemd.runsConfigurator"),
    repeatedWithout(without),
    timer({ when }),
  ],
  unapply: ({ when }, _target, steps) => untilFailure([timer({ when }), imageDumped()], "unapply", steps),
});

/** The timer, without the image that it starts. */
const timer = defprop({
  name: "systemd._timer",
  kind: "posix",
  args: object({ when: when() }),
  desc: ({ when }) => `${TIMER}: ${when}`,
  apply: async (args, target) => {
    await needsRoot(target, "systemd.runsConfigurator");
    const { home } = await target.identity();
    const written: Change[] = [
      await target.ensureContent(`${UNITS}/${SERVICE}`, service(`${home}/${LATEST_IMAGE}`), { mode: 0o644 }),
      await target.ensureContent(`${UNITS}/${TIMER}`, timerText(args.when), { mode: 0o644 }),
    ];
    const isNew = written.includes("changed");
    if (!isNew && (await linkedState(target, { unit: TIMER })) === "enabled") return "unchanged";
    await systemctl(target, ["daemon-reload"], {});
    await systemctl(target, ["enable", TIMER], {});
    if (!isInhibited(target)) await systemctl(target, ["restart", TIMER], {});
    return "changed";
  },
  unapply: async (_args, target) => {
    await needsRoot(target, "systemd.runsConfigurator");
    if (!(await target.lstat(`${UNITS}/${TIMER}`))) return "unchanged";
    await systemctl(target, ["disable", ...nowUnless(target), TIMER], {});
    for (const unit of [SERVICE, TIMER]) await target.remove(`${UNITS}/${unit}`);
    await systemctl(target, ["daemon-reload"], {});
    return "changed";
  },
});

const nowUnless = (target: PosixTarget): string[] => (isInhibited(target) ? [] : ["--now"]);

const service = (image: string): string => `[Unit]
Description=Repeat the last deployment to this host
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=${execWord(image)}
Nice=10
IOSchedulingClass=idle
`;

const timerText = (when: string): string => `[Unit]
Description=Repeat the last deployment to this host on a schedule

[Timer]
OnCalendar=${when}
Persistent=true
RandomizedDelaySec=5min

[Install]
WantedBy=timers.target
`;
