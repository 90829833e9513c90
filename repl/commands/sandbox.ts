import { discardSandbox, keepSandbox, type SandboxChange, sandboxDiff } from "../../lib/connection/sandbox";
import { colour } from "../_colour";
import { type Command, type CommandContext, CommandError } from "./command";

export const sandbox: Command = {
  name: "sandbox",
  takes: "diff|keep|discard",
  does: "which files differ in the clone of this machine; keep it when the session ends; throw it away",
  completions: () => Object.keys(ACTS),
  async run(argument, { shell }) {
    const [verb = "", name, ...more] = argument.split(/\s+/);
    const act = ACTS[verb];
    if (!act || more.length > 0) throw new CommandError(`.sandbox takes ${Object.keys(ACTS).join(", ")}`);
    await act(shell, name);
  },
};

const ACTS: Record<string, (shell: CommandContext["shell"], name: string | undefined) => Promise<void>> = {
  diff: async (shell, name) => {
    const changes = await sandboxDiff(name);
    shell.say(changes.length > 0 ? changes.map(changeLine).join("\n") : "nothing differs from this machine");
  },
  keep: async (shell, name) => {
    await keepSandbox(name);
    shell.say("the sandbox stays when this session ends; .sandbox discard throws it away");
  },
  discard: async (shell, name) => {
    await discardSandbox(name);
    shell.say("the sandbox is gone; the next deployment makes a new one");
  },
};

const SIGNS = { added: colour.green("+"), changed: colour.yellow("~"), deleted: colour.red("-") };

const changeLine = ({ path, change }: SandboxChange): string => `${SIGNS[change]} ${path}`;
