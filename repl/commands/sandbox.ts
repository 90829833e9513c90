import { discardSandbox, keepSandbox, type SandboxChange, sandboxDiff } from "../../lib/connection/sandbox";
import { cleanLine } from "../../lib/util/clean-text";
import { colour } from "../_colour";
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
    const changes = await sandboxDiff(name);
    shell.print(changes.length > 0 ? diffText(changes) : "no changes in the sandbox");
  },
  files: async (shell, name) => shell.print((await sandboxDiff(name)).map(changeLine).join("\n")),
  keep: async (shell, name) => {
    await keepSandbox(name);
    shell.print("the sandbox is kept after this session; .sandbox discard removes it");
  },
  discard: async (shell, name) => {
    await discardSandbox(name);
    shell.print("discarded the sandbox; the next deployment makes a new one");
  },
};

/** Changes below these are only counted: packages and the system make so many that they would hide the rest. */
const COUNTED = [
  "/usr/share",
  "/var/cache",
  "/var/log",
  "/var/lib/apt",
  "/var/lib/dpkg",
  "/var/lib/systemd",
  "/run",
  "/tmp",
];

/** State that the engine keeps on a host: not part of what the consfig asked for. */
const ENGINE_STATE = /\/\.local\/state\/consfigurator(\/|$)/;

function diffText(all: readonly SandboxChange[]): string {
  const changes = all.filter(({ path }) => !ENGINE_STATE.test(path));
  const groupOf = ({ path }: SandboxChange) => COUNTED.find((each) => path.startsWith(`${each}/`)) ?? "";
  const groups = Map.groupBy(changes, groupOf);
  const lines = (groups.get("") ?? []).map(changeLine);
  const counted = [...groups].filter(([group]) => group).map(([group, all]) => `${all.length} in ${group}`);
  if (counted.length > 0) lines.push(colour.dim(`and ${counted.join(", ")}; .sandbox files lists all`));
  return lines.join("\n");
}

const SIGNS = { added: colour.green("+"), changed: colour.yellow("~"), deleted: colour.red("-") };

const changeLine = ({ path, change }: SandboxChange): string => `${SIGNS[change]} ${cleanLine(path)}`;
