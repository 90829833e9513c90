/** Kinds of steps that do not end by themselves. */
import type { PropApp } from "../../lib/model/property";
import * as via from "../../lib/via";
import { prop } from "../lib/agent/_rig";

/** `properties/endless.ts` of the consfig. */
export const endless = `import { writeFileSync } from "node:fs";
import { defprop, schema } from "consfigurator";

const args = schema.object({ path: schema.string() });
const call = (path: string) => ({ path });

/** Never holds, and takes its time to say so. */
export const checks = defprop({
  name: "endless.checks",
  kind: "posix",
  args,
  call,
  check: (args, target) => target.succeeds(args.path),
  apply: async () => "unchanged",
});

/** Writes small files, one after another, without end. */
export const writes = defprop({
  name: "endless.writes",
  kind: "posix",
  args,
  call,
  apply: async ({ path }, target) => {
    await target.makeDirectory(path);
    for (let n = 0; ; n += 1) await target.writeFile(path + "/" + (n % 20), String(n));
  },
});

/** Never settles. */
export const waits = defprop({
  name: "endless.waits",
  kind: "posix",
  args,
  call,
  apply: () => new Promise(() => {}),
});

/** Uses all of a processor without end, and writes how far it is. */
export const spins = defprop({
  name: "endless.spins",
  kind: "agent",
  args,
  call,
  apply: async ({ path }) => {
    for (let n = 0; ; n += 1) if (n % 1e7 === 0) writeFileSync(path, String(n));
  },
});
`;

/** Where a step runs. */
export interface Place {
  /** True: an agent is on the host, so properties run there. */
  readonly agent: boolean;
  /** A user, not root, to whom root can change there; undefined if nobody can. */
  readonly other?: string;
}

export interface Kind {
  readonly name: string;
  /** Whether it can run there. */
  fits?(place: Place): boolean;
  /** The step. `mark` is in the arguments of all commands that it starts; `file` is where it writes. */
  step(mark: string, file: string, place: Place): PropApp;
  /** True: it may end by itself. */
  readonly ends?: boolean;
}

const asOther = ({ other = "" }: Place) => via.as(other);

export const kinds: readonly Kind[] = [
  { name: "a command", step: (mark) => prop("cmd.single", `sleep ${mark}`) },
  {
    name: "a command that ignores SIGTERM",
    step: (mark) => prop("cmd.single", `trap '' TERM HUP INT; while :; do sleep 0.${mark}; done`),
  },
  {
    name: "commands in the background",
    step: (mark) => prop("cmd.single", `sleep ${mark} & sleep ${mark} & wait`),
  },
  {
    name: "a child that ignores SIGTERM",
    step: (mark) => prop("cmd.single", `(trap '' TERM; while :; do sleep 0.${mark}; done) & wait`),
  },
  { name: "endless output", step: (mark) => prop("cmd.single", `yes ${mark}`, { inform: true }) },
  { name: "a long check", step: (mark) => prop("endless.checks", `sleep ${mark}`) },
  { name: "file writes", step: (_mark, file) => prop("endless.writes", file) },
  {
    name: "a large file",
    ends: true,
    step: (mark, file) => prop("file.hasContent", `${file}.large`, `${mark}\n`.repeat(500_000)),
  },
  { name: "an application that never settles", step: (_mark, file) => prop("endless.waits", file) },
  {
    name: "commands side by side",
    step: (mark) =>
      prop("concurrently", ...[1, 2, 3].map((each) => prop("cmd.single", `sleep ${mark}; true ${each}`))),
  },
  {
    name: "a spinning application",
    fits: ({ agent }) => agent,
    step: (_mark, file) => prop("endless.spins", file),
  },
  {
    name: "a nested deployment",
    fits: ({ other }) => other !== undefined,
    step: (mark, _file, place) => prop("reconnects", asOther(place), prop("cmd.single", `sleep ${mark}`)),
  },
  {
    name: "a nested deployment through an agent",
    fits: ({ agent, other }) => agent && other !== undefined,
    step: (mark, _file, place) =>
      prop("reconnects", [asOther(place), via.agent()], prop("cmd.single", `sleep ${mark}`)),
  },
];
