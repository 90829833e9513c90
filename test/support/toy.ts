/** Properties without a machine: each ends in one way, and `done` remembers in which order they acted. */
import { AbortedChange, FailedChange } from "../../lib/model/errors";
import { attribute } from "../../lib/model/host";
import { type Change, defprop, defproplist, type MaybePropApp } from "../../lib/model/property";
import { list, object, propapp, string } from "../../lib/model/schema";

/** What was done since the last `forget`. */
const done: string[] = [];

/** What was done so far; it is forgotten by that. */
export const takeDone = (): string[] => done.splice(0);

const args = object({ what: string() });
const call = (what: string) => ({ what });
const desc = ({ what }: { what: string }) => what;

async function act(what: string): Promise<Change> {
  done.push(what);
  return "changed";
}

/** It never holds, and can be undone. */
export const changes = defprop({
  name: "toy.changes",
  kind: "posix",
  args,
  call,
  desc,
  apply: ({ what }) => act(what),
  unapply: ({ what }) => act(`not ${what}`),
});

/** It holds already, and asks nothing of anybody. */
export const rests = defprop({
  name: "toy.rests",
  kind: "posix",
  args,
  call,
  desc,
  apply: async () => "unchanged",
  unapply: async () => "unchanged",
});

/** It cannot be undone. */
export const oneWay = defprop({
  name: "toy.oneWay",
  kind: "posix",
  args,
  call,
  desc,
  apply: ({ what }) => act(what),
});

/** It does its work, and then fails. */
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

/** It finds that it cannot begin. */
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

/** Its author made a mistake. */
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

/** It needs an agent. */
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

/** A fact about the host, and nothing on it. */
export const states = defprop({
  name: "toy.states",
  kind: "posix",
  args,
  call,
  desc,
  hostattrs: ({ what }, host) => host.push(fact, what),
});

/** Made of others, and announced as one step with these inside. */
export const made = defproplist({
  name: "toy.made",
  args: object({ what: string(), of: list(propapp()) }),
  call: (what: string, ...of: MaybePropApp[]) => ({ what, of: of.filter((part) => !!part) }),
  desc,
  hostattrs: () => {},
  parts: ({ of }) => of,
});

/** Runs `script` of the shell, and shows what it prints. */
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

/** Does `what` when all the others are done. */
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
