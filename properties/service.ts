/** Services through service(8), and hosts that must not start any. */

import {
  AbortedChange,
  type Change,
  type CommandResult,
  defprop,
  FailedChange,
  type HostParts,
  type PlanModel,
  type PosixTarget,
  schema,
  shellQuote,
} from "consfigurator";
import { inhibited, isInhibited } from "./_inhibited";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { aboutUnits, loadState, plannedLook, unitLook } from "./_systemctlVerbs";
import { isSteady, isUp, look, MIN_UPTIME } from "./_unitLook";
import { forgetRestarts, reloadUnit, startFailure, whyNotRunning } from "./_unitState";
import { policyFile } from "./_withoutServices";

export { withoutStartingServices } from "./_withoutServices";
export { isInhibited };

const { object, string } = schema;

const service = () =>
  string({ pattern: "^[A-Za-z0-9][A-Za-z0-9:_.@\\\\-]*$", description: 'a service, such as "nginx"' });
const one = object({ name: service() });
const byName = (name: string) => ({ name });

/**
 * The service `name` runs, according to service(8). Where systemd runs, it must go on doing so, as with `systemd.started`, or the
 * property has failed, with the last lines of the journal. Does nothing where services are inhibited.
 *
 * @example service.running("postgresql")
 */
export const running = defprop({
  name: "service.running",
  kind: "posix",
  args: one,
  call: byName,
  desc: ({ name }) => `${name} running`,
  check: async ({ name }, target) => isInhibited(target) || isRunningSteadily(target, name),
  apply: async ({ name }, target) => {
    await needsRoot(target, "service.running");
    const { exit, stdout, stderr } = await target.run(["service", name, "start"], {
      mayFail: true,
      predict: (model) => predictService(model, name),
    });
    if (exit === 0) {
      target.report({ kind: "unit", unit: name, change: "started" });
      return "changed";
    }
    const printed = stderr.trim() || stdout.trim();
    if (await hasSystemd(target)) throw new FailedChange(await startFailure(target, { unit: name }, printed));
    if (/unrecognized service/i.test(printed))
      throw new AbortedChange(
        `there is no service ${name}: ${printed}; correct the name, or install what provides it before this property`,
      );
    // A script without "status" may fail to start a service that is running: not a change, not a failure.
    target.inform(`service ${name} start exited with code ${exit}: ${printed}\n`);
    return "unchanged";
  },
  verify: stateAfterStart,
});

const hasSystemd = async (target: PosixTarget): Promise<boolean> =>
  (await target.stat("/run/systemd/system"))?.type === "directory";

/** Whether "status" has said that a service does not run: init scripts agree on the exit code, and FreeBSD's on the words. */
const saysStopped = (exit: number, printed: string): boolean =>
  (exit === 3 && !/usage/i.test(printed)) || (exit === 1 && /\bis not running\b/.test(printed));

/** What keeps the service from running after a start; undefined when it runs, or when its script cannot say. */
async function stateAfterStart({ name }: { name: string }, target: PosixTarget): Promise<string | undefined> {
  if (await hasSystemd(target)) return whyNotRunning(target, { unit: name });
  const printed = await statusOfStopped(target, name);
  return printed && `${name} does not run; \`service ${name} status\` printed: ${printed}`;
}

/** What `service … status` prints of a service that does not run; undefined when it runs, or when its script cannot say. */
async function statusOfStopped(target: PosixTarget, name: string): Promise<string | undefined> {
  const options = { mayFail: true, about: aboutService(name) };
  const { exit, stdout, stderr } = await target.query(["service", name, "status"], options);
  const printed = (stdout + stderr).trim();
  return saysStopped(exit, printed) ? printed || "nothing" : undefined;
}

/** Whether the service `name` runs. Where systemd runs, it is asked directly: service(8) prints its whole status. */
export const isRunning = async (target: PosixTarget, name: string): Promise<boolean> =>
  isUp(await lookAt(target, name));

const isRunningSteadily = async (target: PosixTarget, name: string): Promise<boolean> =>
  isSteady(await lookAt(target, name), () => lookAt(target, name, MIN_UPTIME));

const lookAt = (target: PosixTarget, name: string, wait = 0) =>
  look(target, { unit: name }, { wait, command: serviceLook(name), about: aboutService(name) });

/** Like `unitLook`, also where no systemd runs. */
const serviceLook = (name: string): string =>
  `if [ -d /run/systemd/system ]; then ${unitLook(name, {})}; elif service ${shellQuote(name)} status >/dev/null 2>&1; then echo ActiveState=active; fi`;

/** Does to `model` what service(8) does to a host. */
async function predictService(model: PlanModel, name: string): Promise<Partial<CommandResult> | undefined> {
  const isKnown = (await hasSystemd(model))
    ? (await loadState(model, name, {})) !== "not-found"
    : (await model.stat(`/etc/init.d/${name}`)) !== undefined;
  if (!isKnown) return { exit: 1, stderr: `${name}: unrecognized service` };
  model.mayFail();
  model.mayChange(aboutService(name));
  model.answer(serviceLook(name), plannedLook(true), aboutService(name));
  model.answer(unitLook(name, {}), plannedLook(true), aboutUnits([name]));
  return undefined;
}

const aboutService = (name: string): HostParts => {
  const { paths = [], ...more } = aboutUnits([name]);
  return { ...more, paths: [...paths, `/etc/init.d/${name}`] };
};

/**
 * Restarts the service `name` each time it is applied, so use it in `onChange`. Where systemd runs, it must still run a second
 * later. Does nothing where services are inhibited.
 *
 * @example onChange(file.hasContent("/etc/motd-server.conf", "port=81"), service.restarted("motd-server"))
 */
export const restarted = defprop({
  name: "service.restarted",
  kind: "posix",
  args: one,
  call: byName,
  desc: ({ name }) => `${name} restarted`,
  apply: async ({ name }, target) => {
    if (isInhibited(target)) return "unchanged";
    await needsRoot(target, "service.restarted");
    return act(target, name, "restart");
  },
  verify: stateAfterStart,
});

/**
 * Makes the service `name` use its configuration as it is now, each time it is applied, so use it in `onChange`: it is reloaded, or
 * started when it does not run. Where systemd runs, one that cannot be reloaded is restarted, and it must run a second later.
 * Does nothing where services are inhibited.
 *
 * @example onChange(file.containsLines("/etc/ssh/sshd_config", "PasswordAuthentication no"), service.reloaded("ssh"))
 */
export const reloaded = defprop({
  name: "service.reloaded",
  kind: "posix",
  args: one,
  call: byName,
  desc: ({ name }) => `${name} reloaded`,
  apply: async ({ name }, target) => {
    if (isInhibited(target)) return "unchanged";
    await needsRoot(target, "service.reloaded");
    if (await hasSystemd(target)) return reloadUnit(target, { unit: name });
    return act(target, name, (await isStopped(target, name)) ? "start" : "reload");
  },
  verify: stateAfterStart,
});

/** Where no systemd runs: a service whose script cannot say counts as running. */
async function isStopped(target: PosixTarget, name: string): Promise<boolean> {
  return (await statusOfStopped(target, name)) !== undefined;
}

const DONE = { start: "started", restart: "restarted", reload: "reloaded" } as const;

async function act(target: PosixTarget, name: string, verb: keyof typeof DONE): Promise<Change> {
  const hasUnits = await hasSystemd(target);
  if (hasUnits) await forgetRestarts(target, { unit: name });
  const { exit, stdout, stderr } = await target.run(["service", name, verb], {
    mayFail: true,
    predict: (model) => predictService(model, name),
  });
  if (exit === 0) {
    target.report({ kind: "unit", unit: name, change: DONE[verb] });
    return "changed";
  }
  const printed = stderr.trim() || stdout.trim();
  if (hasUnits) throw new FailedChange(await startFailure(target, { unit: name }, printed));
  throw new FailedChange(`\`service ${name} ${verb}\` ended with exit code ${exit}: ${printed}`);
}

/**
 * No service is started on this host, neither by installing packages nor by properties. For a system that is not
 * booted.
 *
 * @example service.noServices()
 */
export const noServices = defprop({
  name: "service.noServices",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "no services started",
  hostattrs: (_args, host) => {
    os.required(host, "debianlike");
    host.pushNew(inhibited, true);
  },
  apply: async (_args, target) => {
    await needsRoot(target, "service.noServices");
    return target.ensureContent(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  },
  unapply: async (_args, target) => {
    await needsRoot(target, "service.noServices");
    return target.remove(policyFile);
  },
});
