/** Services through service(8), and hosts that must not start any. */

import { attribute, type Change, defprop, type PosixTarget, schema, shellQuote } from "consfigurator";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { object, string } = schema;

const service = () =>
  string({ pattern: "^[A-Za-z0-9][A-Za-z0-9:_.@\\\\-]*$", description: 'a service, such as "nginx"' });
const one = object({ name: service() });
const byName = (name: string) => ({ name });

const inhibited = attribute<true>("service.noServices");

/** A key of a deployment's memory: true means that the deployment must not start services. */
export const INHIBITED = "service.noServices";

/** Whether services must not be started: because of `service.noServices`, or during this deployment. */
export const isInhibited = (target: PosixTarget): boolean =>
  target.host.newest(inhibited) === true || target.memory.get(INHIBITED) === true;

/**
 * The service `name` runs, according to service(8). Does nothing where services are inhibited.
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
    // A script without "status" may fail to start a service that is running: not a change, not a failure.
    const { exit, stdout, stderr } = await target.run(["service", name, "start"], { mayFail: true });
    if (exit === 0) return "changed";
    target.inform(`service ${name} start exited with code ${exit}: ${stderr.trim() || stdout.trim()}\n`);
    return "unchanged";
  },
});

/** Asks systemd directly where it runs: service(8) would ask it too, but prints its whole status. */
const isRunning = (target: PosixTarget, name: string): Promise<boolean> =>
  target.succeeds(
    `if [ -d /run/systemd/system ]; then systemctl is-active --quiet ${shellQuote(name)}; else service ${shellQuote(name)} status; fi`,
  );

/**
 * Restarts the service `name` each time it is applied, so use it in `onChange`. Does nothing where services are inhibited.
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
  await target.run(["service", name, verb]);
  return "changed";
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
