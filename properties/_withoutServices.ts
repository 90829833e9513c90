import {
  type Change,
  defprop,
  type MaybePropApp,
  type PosixTarget,
  type PropApp,
  type Steps,
  schema,
  untilFailure,
  withoutEmpty,
} from "consfigurator";
import { inhibitedHere } from "./_inhibited";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { list, object, propapp } = schema;

/** Asked by the maintainer scripts of packages before they start a service. */
export const policyFile = "/usr/sbin/policy-rc.d";

/** What `policyFile` was, while it is replaced. */
const savedFile = `${policyFile}.before-consfigurator`;

/** Also tells this file from one that somebody else wrote, and after a crash. */
const DENIED_FOR_NOW =
  "#!/bin/sh\n# Until a deployment has ended: service.withoutStartingServices.\nexit 101\n";

/**
 * Applies each of `applications` in order without starting a service: neither do the maintainer scripts of the packages that
 * they install, nor properties such as `service.running` and `systemd.started`, which do nothing. That also holds in what
 * is nested in them on this machine: as another user, in a chroot, through an agent. For the inside of a chroot, and for
 * systems that are not booted.
 *
 * The first failure stops the rest. While something is changed, /usr/sbin/policy-rc.d says so; what it was before comes back at
 * the end, unless one of `applications` wrote it; after a crash, with the next deployment. Unapplying unapplies them.
 *
 * @example service.withoutStartingServices(apt.installed("nginx"), systemd.started("nginx"))
 */
export const withoutStartingServices = defprop({
  name: "service.withoutStartingServices",
  kind: "posix",
  args: object({ applications: list(propapp()) }),
  call: (...applications: MaybePropApp[]) => ({ applications: withoutEmpty(applications) }),
  desc: () => "without starting services",
  inline: true,
  hostattrs: ({ applications }, host, visits) => {
    for (const application of applications) visits.visit(application);
    os.required(host, "debianlike");
  },
  apply: ({ applications }, target, steps) => inhibiting(target, steps, applications),
  unapply: ({ applications }, _target, steps) => untilFailure(applications.toReversed(), "unapply", steps),
  unappliable: ({ applications }, each) => applications.every(each),
});

async function inhibiting(
  target: PosixTarget,
  steps: Steps,
  applications: readonly PropApp[],
): Promise<Change> {
  await restored(target);
  let denied: Promise<void> | undefined;
  // Where nothing changes, no file is written.
  const beforeChange = () => (denied ??= denyServices(target));
  const inside = steps.within({
    target: (outer) => inhibitedHere.within(outer, true),
    beforeChange,
  });
  try {
    return await untilFailure(applications, "apply", inside);
  } finally {
    if (denied) await restored(target);
  }
}

async function denyServices(target: PosixTarget): Promise<void> {
  await needsRoot(target, "service.withoutStartingServices");
  if (await target.lstat(policyFile)) await target.rename(policyFile, savedFile);
  await target.writeFile(policyFile, DENIED_FOR_NOW, { mode: 0o755 });
}

/** Ends what `denyServices` did, in this deployment or in one that crashed. */
async function restored(target: PosixTarget): Promise<void> {
  const [now, saved] = await Promise.all([target.readBytes(policyFile), target.lstat(savedFile)]);
  const isOurs = now === undefined || now.toString("utf8") === DENIED_FOR_NOW;
  if (saved && isOurs) await target.rename(savedFile, policyFile);
  else if (saved) await target.remove(savedFile);
  else if (now !== undefined && isOurs) await target.remove(policyFile);
}
