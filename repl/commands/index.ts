import { similar } from "../../lib/util/similar";
import { adopt } from "./adopt";
import { agents } from "./agents";
import { check } from "./check";
import { clone } from "./clone";
import type { Command, CommandContext } from "./command";
import { diff } from "./diff";
import { doc } from "./doc";
import { CommandError } from "./error";
import { exit } from "./exit";
import { forget } from "./forget";
import { help } from "./help";
import { hosts } from "./hosts";
import { load } from "./load";
import { log } from "./log";
import { look } from "./look";
import { props } from "./props";
import { reload } from "./reload";
import { report } from "./report";
import { retry } from "./retry";
import { sandbox } from "./sandbox";
import { save } from "./save";
import { shell } from "./shell";
import { verbose } from "./verbose";
import { why } from "./why";

/** Every dot-command by name. */
export const commands: ReadonlyMap<string, Command> = new Map(
  [
    adopt,
    agents,
    check,
    clone,
    diff,
    doc,
    exit,
    forget,
    help,
    hosts,
    load,
    log,
    look,
    props,
    reload,
    report,
    retry,
    sandbox,
    save,
    shell,
    verbose,
    why,
  ].map((command) => [command.name, command]),
);

/** What commands are called elsewhere. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  quit: "exit",
  bye: "exit",
  q: "exit",
  man: "doc",
  info: "doc",
  search: "doc",
  docs: "doc",
  list: "hosts",
  ls: "hosts",
  run: "load",
  play: "load",
  history: "log",
  ssh: "shell",
  status: "report",
  error: "why",
  errors: "why",
  properties: "props",
};

/** The command that `word` may mean, when it is typed without its dot. */
export const commandMeant = (word: string): string | undefined =>
  commands.has(word) ? word : OTHER_NAMES[word];

/** Parses `line` as a dot-command; undefined if it is not one: `.5` is a number. */
export function asCommand(line: string): { name: string; argument: string } | undefined {
  const [, name, argument = ""] = /^\s*\.([A-Za-z]\S*)\s*(.*?)\s*$/s.exec(line) ?? [];
  return name === undefined ? undefined : { name, argument };
}

/** Runs a dot-command. Throws `CommandError` if there is no such command. */
export async function runCommand(
  name: string,
  argument: string,
  context: Omit<CommandContext, "commands">,
): Promise<void> {
  const command = commands.get(name);
  if (!command) {
    const [, member] = /^([\w$]+)[([?.]/.exec(name) ?? [];
    if (member !== undefined)
      throw new CommandError(
        `.${member} continues nothing: the statement above has ended; _.${member} is that of its value`,
      );
    const meant = similar([...commands.keys()], name, 4).map((one) => `.${one}`);
    const other = OTHER_NAMES[name];
    const all = other === undefined ? meant : [`.${other}`];
    const advice = all.length > 0 ? `did you mean ${all.join(" or ")}?` : "see .help";
    throw new CommandError(`there is no command .${name}; ${advice}`);
  }
  await command.run(argument, { ...context, commands });
}
