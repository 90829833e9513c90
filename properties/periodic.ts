/** Properties that are applied only now and then. */
import { createHash } from "node:crypto";
import {
  defprop,
  defproplist,
  desc,
  eseqprops,
  FailedChange,
  type MaybePropApp,
  type PosixTarget,
  type PropApp,
  schema,
  unapplied,
  untilFailure,
  withoutEmpty,
} from "consfigurator";
import { encodedName } from "./_encoded";
import { parentOf } from "./_paths";

const { list, object, propapp, string } = schema;

const HOUR = 3600;
const DAY = 24 * HOUR;
const named: Readonly<Record<string, number>> = {
  ...{ hourly: HOUR, daily: DAY, weekly: 7 * DAY, monthly: 30 * DAY, yearly: 365.25 * DAY },
};
const EACH_REBOOT = "eachReboot";
const units: Readonly<Record<string, number>> = { min: 60, h: HOUR, d: DAY };

/** How often something is done at most: a word, or a time such as "36 h". */
export type Period =
  | "eachReboot"
  | "hourly"
  | "daily"
  | "weekly"
  | "monthly"
  | "yearly"
  | `${number} ${"min" | "h" | "d"}`;

const period = () =>
  string({
    pattern: `^(${[EACH_REBOOT, ...Object.keys(named)].join("|")}|[1-9][0-9]{0,4} (min|h|d))$`,
    description: `${[EACH_REBOOT, ...Object.keys(named)].map((each) => JSON.stringify(each)).join(", ")}, or a time such as "36 h"`,
  }) as schema.Schema<Period>;

const secondsOf = (period: Period): number => {
  const [count = "", unit = ""] = period.split(" ");
  return named[period] ?? Number(count) * (units[unit] ?? 0);
};

const periodicArgs = object({
  period: period(),
  name: string({ minLength: 1, pattern: "^[^\\n]+$", description: "a description, on one line" }),
  applications: list(propapp()),
});
const call = (period: Period, name: string, ...given: MaybePropApp[]) => ({
  period,
  name,
  applications: withoutEmpty(given),
});

/**
 * Applies each of `applications` in order, at most once in `period`: "hourly", "daily", "weekly", "monthly" (30 days),
 * "yearly", "eachReboot" (once after each boot), or a time such as "90 min", "36 h" or "10 d". `name` describes what is
 * done, and identifies it: it must be used once for a host and user. The first failure stops the rest, and the next
 * deployment tries again. When the applications are changed, they are applied at the next deployment. When this is done
 * is not determined: see `cron.systemJob` for that. Unapplying it unapplies them, and forgets when it was done.
 *
 * @example periodic.atMost("weekly", "unneeded packages removed", apt.autoremoved(), apt.cacheCleaned())
 */
export const atMost = defprop({
  name: "periodic.atMost",
  kind: "posix",
  args: periodicArgs,
  call,
  desc: ({ period, name }) => `${inWords(period)}: ${name}`,
  apply: async (args, target, steps) => {
    const { applications, name, period } = args;
    const boot = period === EACH_REBOOT ? await bootOf(target) : undefined;
    const done = `${JSON.stringify({ name, boot, of: digest(applications) })}\n`;
    const age = await ageOf(name, done, target);
    if (age !== undefined && (period === EACH_REBOOT || (age >= 0 && age < secondsOf(period)))) {
      for (const each of applications) steps.skip(each, `done ${inUnits(age)} ago; due ${inWords(period)}`);
      return "unchanged";
    }
    const change = await untilFailure(applications, "apply", steps);
    // Written although it may have the same content: its time is that of the last application.
    await target.makeDirectory(parentOf(fileOf(name)));
    await target.writeFile(fileOf(name), done, { mode: 0o600 });
    return change;
  },
  unapply: async ({ applications, name }, target, steps) => {
    const change = await untilFailure(applications.toReversed(), "unapply", steps);
    await target.remove(fileOf(name));
    return change;
  },
  unappliable: ({ applications }, each) => applications.every(each),
});

/**
 * Applies each of `applications` in every deployment, and at most once in `period` unapplies them first: what has gathered
 * in the meantime is gone then. `period` and `name` as in `periodic.atMost`. Refused before connecting when one of them
 * cannot be unapplied.
 *
 * @example periodic.reappliedAtMost("monthly", "work files", file.existsWithContent("/srv/work/index", ["0"]))
 */
export const reappliedAtMost = defproplist({
  name: "periodic.reappliedAtMost",
  args: periodicArgs,
  call,
  desc: ({ period, name }) => `${name}, anew ${inWords(period)}`,
  parts: ({ period, name, applications }) => [
    atMost(period, `${name}, undone`, unapplied(eseqprops(...applications))),
    desc(name, eseqprops(...applications)),
  ],
  unapply: async ({ applications, name }, target, steps) => {
    const change = await untilFailure(applications.toReversed(), "unapply", steps);
    await target.remove(fileOf(`${name}, undone`));
    return change;
  },
  unappliable: ({ applications }, each) => applications.every(each),
});

const inWords = (period: Period): string =>
  period === EACH_REBOOT
    ? "once after each boot"
    : period in named
      ? `at most ${period}`
      : `at most every ${period}`;

const inUnits = (seconds: number): string => {
  const [size, unit] = seconds >= 2 * DAY ? [DAY, "d"] : seconds >= 2 * HOUR ? [HOUR, "h"] : [60, "min"];
  return `${Math.floor(seconds / size)} ${unit}`;
};

/** What was done is in this file, and when is its time: a plan can tell its content in advance. */
const fileOf = (name: string): string => `.local/state/consfigurator/periodic/${encodedName(name)}`;

/**
 * Seconds since exactly `done` was last done, by the clock of the host: negative when that clock was wrong. Undefined when
 * something else was done, or nothing.
 */
async function ageOf(name: string, done: string, target: PosixTarget): Promise<number | undefined> {
  const [text, stat] = await Promise.all([target.readBytes(fileOf(name)), target.stat(fileOf(name))]);
  if (text?.toString() !== done || !stat) return undefined;
  const now =
    target.kind === "agent"
      ? Math.floor(Date.now() / 1000)
      : Number((await target.query(["date", "+%s"], { about: {} })).stdout);
  return now - Math.floor(stat.mtime);
}

/** What identifies the boot that the host runs in, on Linux and FreeBSD. */
async function bootOf(target: PosixTarget): Promise<string> {
  const linux = await target.readBytes("/proc/sys/kernel/random/boot_id");
  if (linux) return linux.toString().trim();
  const { stdout, exit } = await target.query(["sysctl", "-n", "kern.boottime"], {
    mayFail: true,
    about: {},
  });
  const [time] = /sec = \d+/.exec(stdout) ?? [];
  if (exit === 0 && time !== undefined) return time;
  throw new FailedChange(
    `${target.host.name} says neither in /proc/sys/kernel/random/boot_id nor in kern.boottime when it was booted; use a time such as "1 d" instead of "${EACH_REBOOT}"`,
  );
}

/** Changes when other applications, or other arguments, are given. */
const digest = (applications: readonly PropApp[]): string => {
  const said = applications.map(({ property, args }) => [property, args]);
  // The places at which nested applications are written may change.
  const text = JSON.stringify(said, (key, value) => (key === "site" ? undefined : value));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
};
