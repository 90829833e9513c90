import { withCreatedNoted, withCreatedRemoved } from "../engine/origins";
import { untilFailure } from "../engine/sequence";
import { described } from "../model/describe";
import { AbortedChange } from "../model/errors";
import {
  type Direction,
  defprop,
  type MaybePropApp,
  type PropApp,
  type Steps,
  withoutEmpty,
} from "../model/property";
import { absolutePath, account, either, line, object, path, propapp, type Schema } from "../model/schema";
import type { PosixTarget } from "../model/target";
import { allUnappliable, applications } from "./_many";
import { isEmptySequence, type OnePropApp, orEmptySequence } from "./sequence";

/**
 * Applies `application` as one step with the description `text`.
 *
 * @example desc("the shop is online", eseqprops(apt.installed("nginx"), systemd.started("nginx")))
 */
export const desc = defprop({
  name: "desc",
  kind: "posix",
  args: object({ text: line(), application: propapp() }),
  call: (text: string, application: OnePropApp) => ({ text, application: orEmptySequence(application) }),
  desc: ({ text }) => text,
  inline: true,
  apply: ({ text, application }, _target, steps) =>
    (isEmptySequence(application) ? steps : steps.within({ desc: text })).apply(application),
  unapply: ({ text, application }, _target, steps) =>
    (isEmptySequence(application) ? steps : steps.within({ desc: `not: ${text}` })).unapply(application),
  unappliable: ({ application }, each) => each(application),
  skip: ({ text, application }, steps, reason, direction) => {
    const shown = direction === "apply" ? text : `not: ${text}`;
    if (!isEmptySequence(application)) steps.within({ desc: shown }).skip(application, reason, direction);
  },
});

/**
 * Applies each of `applications` in order, once per host: afterwards the empty file `flag` is created, and while it exists
 * nothing is done. The first failure stops the rest and `flag` is not created; failures that a `seqprops` inside tolerates
 * do not count. If `flag` exists, unapplying unapplies them and removes it.
 *
 * @example withFlagfile("/var/lib/shop/imported", cmd.single("shop-import /srv/dump"))
 */
export const withFlagfile = defprop({
  name: "withFlagfile",
  kind: "posix",
  args: object({ flag: path(), applications }),
  call: (flag: string, ...given: MaybePropApp[]) => ({ flag, applications: withoutEmpty(given) }),
  desc: ({ flag, applications }) =>
    `once (${flag}): ${applications.map((each) => described(each)).join(", ")}`,
  check: async ({ flag }, target) => (await target.stat(flag)) !== undefined,
  apply: async ({ flag, applications }, target, steps) => {
    const change = await untilFailure(applications, "apply", steps);
    await withCreatedNoted(target, flag, () => target.ensureContent(flag, ""));
    return change;
  },
  unapply: async ({ flag, applications }, target, steps) => {
    const change = await untilFailure(applications.toReversed(), "unapply", steps);
    await withCreatedRemoved(target, flag, () => target.remove(flag));
    return change;
  },
  unappliable: allUnappliable,
});

const home: Schema<{ user: string } | { dir: string }> = {
  ...either(object({ user: account() }), object({ dir: absolutePath() })),
  description: '{ user: "ana" } or { dir: "/srv/ana" }',
};

/**
 * Applies each of `applications` in order with another home directory: that of a user, or any directory. It is HOME and
 * the working directory of commands, the base of relative paths, and `identity().home`; the connected user stays the same.
 * The first failure stops the rest. Fails with `AbortedChange` when the host does not have the user.
 *
 * @example withHomedir({ user: "ana" }, file.hasContent(".forward", "ana@example.org\n"))
 */
export const withHomedir = defprop({
  name: "withHomedir",
  kind: "posix",
  args: object({ home, applications }),
  call: (home: { readonly user: string } | { readonly dir: string }, ...given: MaybePropApp[]) => ({
    home,
    applications: withoutEmpty(given),
  }),
  inline: true,
  apply: (args, target, steps) => inHome(args, "apply", target, steps),
  unapply: (args, target, steps) =>
    inHome({ ...args, applications: args.applications.toReversed() }, "unapply", target, steps),
  unappliable: allUnappliable,
});

async function inHome(
  { home, applications }: { home: { user: string } | { dir: string }; applications: PropApp[] },
  direction: Direction,
  target: PosixTarget,
  steps: Steps,
) {
  const directory = "dir" in home ? home.dir : (await target.user(home.user))?.home;
  if (directory === undefined) {
    const { user } = home as { user: string };
    throw new AbortedChange(`there is no user ${user} on this host; apply user.hasAccount("${user}") first`);
  }
  const inDirectory = (outer: PosixTarget) => outer.within({ home: directory });
  return untilFailure(applications, direction, steps.within({ target: inDirectory }));
}

/**
 * Applies `application` without recording its facts about the host. Around an application that a property makes while it
 * is applied, it suppresses the notice about lost facts.
 *
 * @example ignoringHostattrs(service.noServices())
 */
export const ignoringHostattrs = defprop({
  name: "ignoringHostattrs",
  kind: "posix",
  args: object({ application: propapp() }),
  call: (application: OnePropApp) => ({ application: orEmptySequence(application) }),
  inline: true,
  hostattrs: ({ application }, host, visits) => visits.visit(application, host.copy()),
  apply: ({ application }, _target, steps) => steps.apply(application),
  unapply: ({ application }, _target, steps) => steps.unapply(application),
  unappliable: ({ application }, each) => each(application),
});
