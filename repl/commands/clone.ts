import { type HostClone, openClones } from "../../lib/controller/clones";
import { colour } from "../_colour";
import { resolveHost } from "./_host";
import { diffText, filesText } from "./_layers";
import type { Command, CommandContext } from "./command";
import { CommandError } from "./error";

export const clone: Command = {
  name: "clone",
  parameters: "diff|files|shell|discard [HOST]",
  summary: "show changes in a clone (files: all of them); open a shell in it; discard it",
  completions: () => Object.keys(ACTS),
  async run(argument, context) {
    const [verb = "", name, ...more] = argument.split(/\s+/);
    const act = ACTS[verb];
    if (!act || more.length > 0)
      throw new CommandError(`usage: .clone ${Object.keys(ACTS).join("|")} [HOST]`);
    await act(cloneOf(name, context), context);
  },
};

const ACTS: Record<string, (clone: HostClone, context: CommandContext) => Promise<void>> = {
  diff: async (clone, { shell }) => {
    const changes = await clone.changes();
    const text = changes.length > 0 && (await diffText(clone.outside, changes, ".clone files"));
    shell.print(text || `no changes in the clone of ${clone.host}`);
  },
  files: async (clone, { shell }) => shell.print(filesText(await clone.changes())),
  shell: async ({ host, named, hops }, { shell }) => {
    const { terminal } = shell;
    if (!terminal) throw new CommandError(".clone shell needs a terminal; it does not work in a playbook");
    shell.print(colour.dim(`shell in the clone of ${host}; exit or Ctrl-D returns here`));
    await terminal.shell(named, hops);
  },
  discard: async (clone, { shell }) => {
    await clone.discard();
    shell.print(`discarded the clone of ${clone.host}`);
  },
};

/** The newest clone, or the newest of the host called `name`. */
function cloneOf(name: string | undefined, context: CommandContext): HostClone {
  const clones = openClones();
  const host = name && (resolveHost(name, context) ?? name);
  const found = clones.findLast((each) => !host || each.host === host);
  if (found) return found;
  const hint =
    clones.length > 0
      ? `there are clones of ${[...new Set(clones.map((each) => each.host))].join(", ")}`
      : "make one: const c = await clone(HOST)";
  throw new CommandError(`there is no clone${name ? ` of ${name}` : ""}; ${hint}`);
}
