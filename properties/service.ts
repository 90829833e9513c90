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
import { INHIBITED, inhibited, isInhibited } from "./_inhibited";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { aboutUnits, loadState } from "./_systemctlVerbs";
import { startFailure, whyNotRunning } from "./_unitState";

export { INHIBITED, isInhibited };

const { object, string } = schema;

const service = () =>
  string({ pattern: "^[A-Za-z0-9][A-Za-z0-9:_.@\\\\-]*$", description: 'a service, such as "nginx"' });
const one = object({ name: service() });
const byName = (name: string) => ({ name });

/**
 * The service `name` runs, according to service(8). Where systemd runs, it must still do so a second after a start, or the
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
  check: async ({ name }, target) => isInhibited(target) || isRunning(target, name),
  apply: async ({ name }, target) => {
    await needsRoot(target, "service.running");
    const { exit, stdout, stderr } = await target.run(["service", name, "start"], {
      mayFail: true,
      predict: (model) => predictService(model, name, "start"),
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

/** The exit code of "status" for a service that does not run, as init scripts agree. */
const NOT_RUNNING = 3;

/** What keeps the service from running after a start; undefined when it runs, or when its script cannot say. */
async function stateAfterStart({ name }: { name: string }, target: PosixTarget): Promise<string | undefined> {
  if (await hasSystemd(target)) return whyNotRunning(target, { unit: name });
  const options = { mayFail: true, about: aboutService(name) };
  const { exit, stdout, stderr } = await target.query(["service", name, "status"], options);
  const printed = (stdout + stderr).trim();
  if (exit !== NOT_RUNNING || /usage/i.test(printed)) return undefined;
  return `${name} does not run; \`service ${name} status\` printed: ${printed}`;
}

/** Asks systemd directly where it runs: service(8) would ask it too, but prints its whole status. */
const isRunning = (target: PosixTarget, name: string): Promise<boolean> =>
  target.succeeds(statusCommand(name), { about: aboutService(name) });

const statusCommand = (name: string): string =>
  `if [ -d /run/systemd/system ]; then systemctl is-active --quiet ${shellQuote(name)}; else service ${shellQuote(name)} status; fi`;

/** Does to `model` what service(8) does to a host. */
async function predictService(
  model: PlanModel,
  name: string,
  verb: string,
): Promise<Partial<CommandResult> | undefined> {
  const isKnown = (await hasSystemd(model))
    ? (await loadState(model, name, {})) !== "not-found"
    : (await model.stat(`/etc/init.d/${name}`)) !== undefined;
  if (!isKnown) return { exit: 1, stderr: `${name}: unrecognized service` };
  model.mayFail();
  model.mayChange(aboutService(name));
  if (verb !== "reload") model.answer(statusCommand(name), { exit: 0 }, aboutService(name));
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
  apply: ({ name }, target) => act(target, "service.restarted", name, "restart"),
  verify: stateAfterStart,
});

/**
 * Makes the service `name` reload its configuration each time it is applied, so use it in `onChange`. Does nothing where services are
 * inhibited.
 *
 * @example onChange(file.containsLines("/etc/ssh/sshd_config", "PasswordAuthentication no"), service.reloaded("ssh"))
 */
export const reloaded = defprop({
  name: "service.reloaded",
  kind: "posix",
  args: one,
  call: byName,
  desc: ({ name }) => `${name} reloaded`,
  apply: ({ name }, target) => act(target, "service.reloaded", name, "reload"),
});

async function act(
  target: PosixTarget,
  property: string,
  name: string,
  verb: "restart" | "reload",
): Promise<Change> {
  if (isInhibited(target)) return "unchanged";
  await needsRoot(target, property);
  const { exit, stdout, stderr } = await target.run(["service", name, verb], {
    mayFail: true,
    predict: (model) => predictService(model, name, verb),
  });
  if (exit === 0) {
    target.report({ kind: "unit", unit: name, change: verb === "restart" ? "restarted" : "reloaded" });
    return "changed";
  }
  const printed = stderr.trim() || stdout.trim();
  if (verb === "restart" && (await hasSystemd(target)))
    throw new FailedChange(await startFailure(target, { unit: name }, printed));
  throw new FailedChange(`\`service ${name} ${verb}\` ended with exit code ${exit}: ${printed}`);
}

const policyFile = "/usr/sbin/policy-rc.d";

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
