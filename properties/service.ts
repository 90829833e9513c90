/** Services through service(8), and hosts on which none may be started. */

import { attribute, type Change, defprop, type PosixTarget, schema, shellQuote } from "consfigurator";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { object, string } = schema;

const service = () =>
  string({ pattern: "^[A-Za-z0-9][A-Za-z0-9:_.@\\\\-]*$", description: 'a service, such as "nginx"' });
const one = object({ name: service() });
const byName = (name: string) => ({ name });

const inhibited = attribute<true>("service.noServices");

/** Under this name, true in the memory of a deployment that must not start services. */
export const INHIBITED = "service.noServices";

/** Whether no service may be started: by `service.noServices`, or for the length of this deployment. */
export const isInhibited = (target: PosixTarget): boolean =>
  target.host.newest(inhibited) === true || target.memory.get(INHIBITED) === true;

/**
 * The service `name` runs, as far as service(8) can tell; where services are inhibited nothing is done.
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
    // A script that knows no "status" fails to start what runs already: no change, and no failure.
    const { exit, stdout, stderr } = await target.run(["service", name, "start"], { mayFail: true });
    if (exit === 0) return "changed";
    target.inform(`service ${name} start ended with exit code ${exit}: ${stderr.trim() || stdout.trim()}\n`);
    return "unchanged";
  },
});

/** Where systemd runs it is what service(8) would ask, and says too much of. */
const isRunning = (target: PosixTarget, name: string): Promise<boolean> =>
  target.succeeds(
    `if [ -d /run/systemd/system ]; then systemctl is-active --quiet ${shellQuote(name)}; else service ${shellQuote(name)} status; fi`,
  );

/**
 * The service `name` has been restarted: each time, so it stands in `onChange`. Where services are inhibited nothing is done.
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
 * The service `name` has read its configuration again: each time, so it stands in `onChange`. Where services are inhibited
 * nothing is done.
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
 * No service is started on this host: not by packages that are installed, and not by properties. For what is no booted
 * system.
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
