import { discardSandbox, keepSandbox, sandboxChanges } from "../../lib/connection/sandbox";
import { diffText, filesText } from "./_layers";
import type { Command, CommandContext } from "./command";
import { CommandError } from "./error";

export const sandbox: Command = {
  name: "sandbox",
  parameters: "diff|files|keep|discard",
  summary: "show changes in the sandbox (files: all of them); keep or discard it",
  completions: () => Object.keys(ACTS),
  async run(argument, { shell }) {
    const [verb = "", name, ...more] = argument.split(/\s+/);
    const act = ACTS[verb];
    if (!act || more.length > 0) throw new CommandError(`usage: .sandbox ${Object.keys(ACTS).join("|")}`);
    await act(shell, name);
  },
};

const ACTS: Record<string, (shell: CommandContext["shell"], name: string | undefined) => Promise<void>> = {
  diff: async (shell, name) => {
    const { outside, changes } = await sandboxChanges(name);
    const text = changes.length > 0 && (await diffText(outside, changes, ".sandbox files"));
    shell.print(text || "no changes in the sandbox");
  },
  files: async (shell, name) => shell.print(filesText((await sandboxChanges(name)).changes)),
  keep: async (shell, name) => {
    await keepSandbox(name);
    shell.print("the sandbox is kept after this session; .sandbox discard removes it");
  },
  discard: async (shell, name) => {
    await discardSandbox(name);
    shell.print("discarded the sandbox; the next deployment makes a new one");
  },
};
