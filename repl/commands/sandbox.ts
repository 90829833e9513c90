import { discardSandbox, keepSandbox, type SandboxChange, sandboxDiff } from "../../lib/connection/sandbox";
import { colour } from "../_colour";
import type { Command, CommandContext } from "./command";
import { CommandError } from "./error";

export const sandbox: Command = {
  name: "sandbox",
  takes: "diff|files|keep|discard",
  does: "what differs in the clone of this machine (files: every one); keep it when the session ends; throw it away",
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
    shell.say(changes.length > 0 ? diffText(changes) : "nothing differs from this machine");
  },
  files: async (shell, name) => shell.say((await sandboxDiff(name)).map(changeLine).join("\n")),
  keep: async (shell, name) => {
    await keepSandbox(name);
    shell.say("the sandbox stays when this session ends; .sandbox discard throws it away");
  },
  discard: async (shell, name) => {
    await discardSandbox(name);
    shell.say("the sandbox is gone; the next deployment makes a new one");
  },
};

/** Where packages and the machine keep their own: counted, for what one looks for would drown in it. */
const BOOKS = [
  "/usr/share",
  "/var/cache",
  "/var/log",
  "/var/lib/apt",
  "/var/lib/dpkg",
  "/var/lib/systemd",
  "/run",
  "/tmp",
];

/** What deployments remember on a host is nothing that a consfig has asked for. */
const OURS = /\/\.local\/state\/consfigurator(\/|$)/;

function diffText(all: readonly SandboxChange[]): string {
  const changes = all.filter(({ path }) => !OURS.test(path));
  const bookOf = ({ path }: SandboxChange) => BOOKS.find((book) => path.startsWith(`${book}/`)) ?? "";
  const groups = Map.groupBy(changes, bookOf);
  const lines = (groups.get("") ?? []).map(changeLine);
  const counted = [...groups].filter(([book]) => book).map(([book, inside]) => `${inside.length} in ${book}`);
  if (counted.length > 0) lines.push(colour.dim(`and ${counted.join(", ")}; .sandbox files lists every one`));
  return lines.join("\n");
}

const SIGNS = { added: colour.green("+"), changed: colour.yellow("~"), deleted: colour.red("-") };

const changeLine = ({ path, change }: SandboxChange): string => `${SIGNS[change]} ${path}`;
