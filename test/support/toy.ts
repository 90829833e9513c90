/** Properties that touch no machine: each has a fixed outcome, and `done` records the order in which they ran. */
import { AbortedChange, FailedChange } from "../../lib/model/errors";
import { attribute } from "../../lib/model/host";
import { type Change, defprop, defproplist, type MaybePropApp } from "../../lib/model/property";
import { list, object, propapp, string } from "../../lib/model/schema";

/** Actions since the last `takeDone`. */
const done: string[] = [];

/** Returns and clears the recorded actions. */
export const takeDone = (): string[] => done.splice(0);

const args = object({ what: string() });
const call = (what: string) => ({ what });
const desc = ({ what }: { what: string }) => what;

async function act(what: string): Promise<Change> {
  done.push(what);
  return "changed";
}

/** Always changes something, and can be unapplied. */
export const changes = defprop({
  name: "toy.changes",
  kind: "posix",
  args,
  call,
  desc,
  apply: ({ what }) => act(what),
  unapply: ({ what }) => act(`not ${what}`),
});

/** Always holds already. */
export const rests = defprop({
  name: "toy.rests",
  kind: "posix",
  args,
  call,
  desc,
  apply: async () => "unchanged",
  unapply: async () => "unchanged",
});

/** Cannot be unapplied. */
export const oneWay = defprop({
  name: "toy.oneWay",
  kind: "posix",
  args,
  call,
  desc,
  apply: ({ what }) => act(what),
});

/** Acts, and then fails. */
export const fails = defprop({
  name: "toy.fails",
  kind: "posix",
  args,
  call,
  desc,
  apply: async ({ what }) => {
    done.push(what);
    throw new FailedChange(`${what} went wrong`);
  },
  unapply: async ({ what }) => {
    throw new FailedChange(`not ${what} went wrong`);
  },
});

/** Aborts before it acts. */
export const aborts = defprop({
  name: "toy.aborts",
  kind: "posix",
  args,
  call,
  desc,
  apply: async ({ what }) => {
    throw new AbortedChange(`${what} cannot begin`);
  },
});

/** Throws an unexpected error, as from a bug. */
export const breaks = defprop({
  name: "toy.breaks",
  kind: "posix",
  args,
  call,
  desc,
  apply: async ({ what }) => {
    throw new TypeError(`${what} is not a function`);
  },
});

/** Requires an agent. */
export const needsAgent = defprop({
  name: "toy.needsAgent",
  kind: "agent",
  args,
  call,
  desc,
  apply: ({ what }) => act(what),
});

/** Facts that `toy.states` pushes. */
export const fact = attribute<string>("toy/fact");

/** Pushes a fact about the host, and applies nothing. */
export const states = defprop({
  name: "toy.states",
  kind: "posix",
  args,
  call,
  desc,
  hostattrs: ({ what }, host) => host.push(fact, what),
});

/** A list of properties, shown as one step with the parts nested in it. */
export const made = defproplist({
  name: "toy.made",
  args: object({ what: string(), of: list(propapp()) }),
  call: (what: string, ...of: MaybePropApp[]) => ({ what, of: of.filter((part) => !!part) }),
  desc,
  hostattrs: () => {},
  parts: ({ of }) => of,
});

/** Runs the shell script `script`, and shows its output. */
export const runs = defprop({
  name: "toy.runs",
  kind: "posix",
  args: object({ script: string() }),
  call: (script: string) => ({ script }),
  desc: ({ script }) => script,
  apply: async ({ script }, target) => {
    await target.run(script, { inform: true });
    return "changed";
  },
});

/** Records `what` after all other properties have finished. */
export const atEnd = defprop({
  name: "toy.atEnd",
  kind: "posix",
  args,
  call,
  desc,
  apply: async ({ what }, target) => {
    target.atEnd(what, async (_target, result) => {
      done.push(`${what}, after ${result}`);
      if (what.startsWith("failing")) throw new FailedChange(`${what} went wrong`);
    });
    return "unchanged";
  },
});
