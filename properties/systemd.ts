/** systemd units, of the system instance or of a user's. */
import { type Change, defprop, FailedChange, type PosixTarget, schema } from "consfigurator";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { enabledState, linkedState, needsUserInstance, systemctl } from "./_systemctl";
import { runsSteadily } from "./_unitLook";
import { maskedReason, reloadUnit, startUnit, whyNotRunning } from "./_unitState";
import { isInhibited } from "./service";

const { account, boolean, object, optional, string } = schema;

export { runsConfigurator } from "./_systemdTimer";
export { hasDropIn, hasTimer, hasUnit } from "./_systemdUnits";

const instance = { userInstance: optional(boolean()) };
const one = object({
  unit: string({
    pattern: "^(?!-[^.])[A-Za-z0-9:_.@\\\\-]+$",
    maxLength: 255,
    description: 'a unit, such as "nginx.service"',
  }),
  ...instance,
});
type One = schema.Infer<typeof one>;
/** `userInstance`: units of the connected user's instance of systemd instead of the system's. */
export type InstanceOptions = Pick<One, "userInstance">;
const byUnit = (unit: string, options: InstanceOptions = {}): One => ({ unit, ...options });
const forUser = ({ userInstance }: InstanceOptions): string => (userInstance ? " for the user" : "");

/**
 * Makes systemd reload its unit files each time it is applied, so use it in `onChange`. Does nothing where services are inhibited.
 *
 * @example onChange(file.hasContent("/etc/systemd/system/web.service", ["[Service]", "ExecStart=web"]), systemd.daemonReloaded())
 */
export const daemonReloaded = defprop({
  name: "systemd.daemonReloaded",
  kind: "posix",
  args: object(instance),
  call: (options: InstanceOptions = {}): InstanceOptions => ({ ...options }),
  desc: (args) => `systemd reloaded${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: (args, target) => actUnlessInhibited(target, "systemd.daemonReloaded", ["daemon-reload"], args),
});

/**
 * `unit` is active, and stays so: one that has just been started must still be active a second later, and one that systemd
 * has restarted three times, last within a minute, is in a crash loop. Otherwise the property has failed, with the last lines of
 * the journal. A one-shot unit is active only until it finishes, and must finish well. Does nothing where services are inhibited.
 *
 * @example systemd.started("nginx.service")
 */
export const started = defprop({
  name: "systemd.started",
  kind: "posix",
  args: one,
  call: byUnit,
  desc: (args) => `${args.unit} started${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: async (args, target) => isInhibited(target) || runsSteadily(target, args),
  apply: (args, target) => run(target, "systemd.started", "start", args),
  verify: whyNotRunningNow,
});

/**
 * `unit` is not active. Does nothing where services are inhibited.
 *
 * @example systemd.stopped("apache2.service")
 */
export const stopped = defprop({
  name: "systemd.stopped",
  kind: "posix",
  args: one,
  call: byUnit,
  desc: (args) => `${args.unit} stopped${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: async (args, target) => isInhibited(target) || !(await isActive(target, args)),
  apply: (args, target) => act(target, "systemd.stopped", ["stop", args.unit], args),
});

/**
 * Restarts `unit` each time it is applied, so use it in `onChange`. It must still run a second later. Does nothing where
 * services are inhibited.
 *
 * @example onChange(file.hasContent("/etc/web.conf", "port=81"), systemd.restarted("web.service"))
 */
export const restarted = defprop({
  name: "systemd.restarted",
  kind: "posix",
  args: one,
  call: byUnit,
  desc: (args) => `${args.unit} restarted${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (args, target) =>
    isInhibited(target) ? "unchanged" : run(target, "systemd.restarted", "restart", args),
  verify: whyNotRunningNow,
});

/**
 * Makes `unit` use its configuration as it is now, each time it is applied, so use it in `onChange`: it is reloaded, or restarted
 * when it cannot be, or started when it does not run. It must run a second later. Does nothing where services are inhibited.
 *
 * @example onChange(file.containsLines("/etc/ssh/sshd_config", "PasswordAuthentication no"), systemd.reloaded("ssh.service"))
 */
export const reloaded = defprop({
  name: "systemd.reloaded",
  kind: "posix",
  args: one,
  call: byUnit,
  desc: (args) => `${args.unit} reloaded${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (args, target) => {
    if (isInhibited(target)) return "unchanged";
    await mustBeAllowed(target, "systemd.reloaded", args);
    return reloadUnit(target, args);
  },
  verify: whyNotRunningNow,
});

/**
 * `unit` is started with the units that its [Install] section names, for example at boot. It is not started now: see
 * `systemd.started`. A unit without an [Install] section counts as enabled.
 *
 * @example systemd.enabled("nginx.service")
 */
export const enabled = defprop({
  name: "systemd.enabled",
  kind: "posix",
  args: one,
  call: byUnit,
  desc: (args) => `${args.unit} enabled${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: async (args, target) => {
    const linked = await linkedState(target, args);
    if (linked !== undefined) return linked === "enabled";
    return (await enabledState(target, args)).holds;
  },
  apply: (args, target) => link(target, "systemd.enabled", "enable", args),
});

/**
 * `unit` is started only by hand, or by a unit that needs it. It is not stopped now: see `systemd.stopped`.
 *
 * @example systemd.disabled("apache2.service")
 */
export const disabled = defprop({
  name: "systemd.disabled",
  kind: "posix",
  args: one,
  call: byUnit,
  desc: (args) => `${args.unit} disabled${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: async (args, target) => {
    const linked = await linkedState(target, args);
    if (linked !== undefined) return linked === "masked";
    return /^(linked|masked|(static|disabled|generated|transient|indirect)$)/.test(
      (await enabledState(target, args)).state,
    );
  },
  apply: (args, target) => link(target, "systemd.disabled", "disable", args),
});

/**
 * `unit` is masked: nothing can start it. It is not stopped now: see `systemd.stopped`.
 *
 * @example systemd.masked("systemd-networkd-wait-online.service")
 */
export const masked = defprop({
  name: "systemd.masked",
  kind: "posix",
  args: one,
  call: byUnit,
  desc: (args) => `${args.unit} masked${forUser(args)}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: async (args, target) => {
    const linked = await linkedState(target, args);
    if (linked !== undefined) return linked === "masked";
    return (await enabledState(target, args)).state.startsWith("masked");
  },
  apply: (args, target) => link(target, "systemd.masked", "mask", args),
  unapply: (args, target) => link(target, "systemd.masked", "unmask", args),
});

/**
 * The systemd instance of `user` runs from boot on, so that their units run without a login.
 *
 * @example systemd.lingeringEnabled("deploy")
 */
export const lingeringEnabled = defprop({
  name: "systemd.lingeringEnabled",
  kind: "posix",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  desc: ({ user }) => `${user}'s services run without a login`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: async ({ user }, target) => (await target.stat(lingerFile(user))) !== undefined,
  apply: async ({ user }, target) => {
    await needsRoot(target, "systemd.lingeringEnabled");
    if (isInhibited(target)) return target.ensureContent(lingerFile(user), "");
    await target.run(["loginctl", "enable-linger", user], {
      predict: async (model) => {
        model.mayChange({ units: true, additions: true });
        await model.ensureContent(lingerFile(user), "");
        return undefined;
      },
    });
    return "changed";
  },
  unapply: async ({ user }, target) => {
    await needsRoot(target, "systemd.lingeringEnabled");
    if (isInhibited(target)) return target.remove(lingerFile(user));
    await target.run(["loginctl", "disable-linger", user], {
      predict: async (model) => {
        model.mayChange({ units: true });
        await model.remove(lingerFile(user));
        return undefined;
      },
    });
    return "changed";
  },
});

const lingerFile = (user: string): string => `/var/lib/systemd/linger/${user}`;

const isActive = async (target: PosixTarget, args: One): Promise<boolean> =>
  (await systemctl(target, ["is-active", "--quiet", args.unit], args, { mayFail: true })).exit === 0;

async function run(
  target: PosixTarget,
  property: string,
  verb: "start" | "restart",
  args: One,
): Promise<Change> {
  await mustBeAllowed(target, property, args);
  return startUnit(target, verb, args);
}

const mustBeAllowed = (
  target: PosixTarget,
  property: string,
  { userInstance }: InstanceOptions,
): Promise<void> => (userInstance ? needsUserInstance(target) : needsRoot(target, property));

/** Hoisted, for the definitions above. */
function whyNotRunningNow(args: One, target: PosixTarget): Promise<string | undefined> {
  return whyNotRunning(target, args);
}

async function act(
  target: PosixTarget,
  property: string,
  words: string[],
  args: InstanceOptions,
): Promise<Change> {
  await mustBeAllowed(target, property, args);
  await systemctl(target, words, args);
  return "changed";
}

async function actUnlessInhibited(
  target: PosixTarget,
  property: string,
  words: string[],
  args: InstanceOptions,
): Promise<Change> {
  return isInhibited(target) ? "unchanged" : act(target, property, words, args);
}

/** These only create and delete links, so they need no running systemd where services are inhibited. */
async function link(target: PosixTarget, property: string, verb: string, args: One): Promise<Change> {
  if (verb === "enable") await refuseMasked(target, args);
  if (!isInhibited(target)) return act(target, property, [verb, args.unit], args);
  if (!args.userInstance) await needsRoot(target, property);
  await systemctl(target, [verb, args.unit], args);
  return "changed";
}

async function refuseMasked(target: PosixTarget, args: One): Promise<void> {
  const { state } = await enabledState(target, args);
  if (!state.startsWith("masked")) return;
  throw new FailedChange(`${args.unit} cannot be enabled: ${maskedReason(args)}`);
}
