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
import { applications, everyOne } from "./_many";
import { isNothing, type OnePropApp, orEmptySequence } from "./sequence";

/**
 * `application`, which people see as `text`: one step, whatever is inside of it.
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
    (isNothing(application) ? steps : steps.within({ desc: text })).apply(application),
  unapply: ({ text, application }, _target, steps) =>
    (isNothing(application) ? steps : steps.within({ desc: `not: ${text}` })).unapply(application),
  unappliable: ({ application }, each) => each(application),
  skip: ({ text, application }, steps, reason, direction) => {
    const called = direction === "apply" ? text : `not: ${text}`;
    if (!isNothing(application)) steps.within({ desc: called }).skip(application, reason, direction);
  },
});

/**
 * Each of `applications` in order, once: when none has thrown, the empty file `flag` is made, and where that is nothing is
 * done. A failure that a `seqprops` inside has passed over does not keep it from being made. Unapplied where `flag` is,
 * they are unapplied, and `flag` is removed.
 *
 * @example withFlagfile("/var/lib/shop/imported", cmd.single("shop-import /srv/dump"))
 */
export const withFlagfile = defprop({
  name: "withFlagfile",
  kind: "posix",
  args: object({ flag: path(), applications }),
  call: (flag: string, ...said: MaybePropApp[]) => ({ flag, applications: withoutEmpty(said) }),
  desc: ({ flag, applications }) =>
    `once (${flag}): ${applications.map((each) => described(each)).join(", ")}`,
  check: async ({ flag }, target) => (await target.stat(flag)) !== undefined,
  apply: async ({ flag, applications }, target, steps) => {
    const change = await untilFailure(applications, "apply", steps);
    await target.ensureContent(flag, "");
    return change;
  },
  unapply: async ({ flag, applications }, target, steps) => {
    const change = await untilFailure(applications.toReversed(), "unapply", steps);
    await target.remove(flag);
    return change;
  },
  unappliable: everyOne,
});

const home: Schema<{ user: string } | { dir: string }> = {
  ...either(object({ user: account() }), object({ dir: absolutePath() })),
  description: '{ user: "ana" } or { dir: "/srv/ana" }',
};

/**
 * Each of `applications` in order, with another home directory: that of a user, or a directory. HOME of commands is that,
 * they run there, relative paths stand below it, and `identity().home` says it; who we are on the host stays. The first
 * failure stops the rest. A user whom the host does not have is an `AbortedChange`.
 *
 * @example withHomedir({ user: "ana" }, file.hasContent(".forward", "ana@example.org\n"))
 */
export const withHomedir = defprop({
  name: "withHomedir",
  kind: "posix",
  args: object({ home, applications }),
  call: (home: { readonly user: string } | { readonly dir: string }, ...said: MaybePropApp[]) => ({
    home,
    applications: withoutEmpty(said),
  }),
  inline: true,
  apply: (args, target, steps) => inHome(args, "apply", target, steps),
  unapply: (args, target, steps) =>
    inHome({ ...args, applications: args.applications.toReversed() }, "unapply", target, steps),
  unappliable: everyOne,
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
    throw new AbortedChange(`there is no user ${user} on this host; say user.hasAccount("${user}") before`);
  }
  const there = (outer: PosixTarget) => outer.within({ home: directory });
  return untilFailure(applications, direction, steps.within({ target: there }));
}

/**
 * `application`, of which the facts are not recorded. Around one that a property makes while it is applied, it says that
 * this is known.
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
