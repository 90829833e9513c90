import { similar } from "../../lib/util/similar";
import { agents } from "./agents";
import { check } from "./check";
import type { Command, CommandContext } from "./command";
import { diff } from "./diff";
import { doc } from "./doc";
import { CommandError } from "./error";
import { exit } from "./exit";
import { help } from "./help";
import { hosts } from "./hosts";
import { load } from "./load";
import { log } from "./log";
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
    agents,
    check,
    diff,
    doc,
    exit,
    help,
    hosts,
    load,
    log,
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
    const meant = similar([...commands.keys()], name, 4).map((one) => `.${one}`);
    const advice = meant.length > 0 ? `did you mean ${meant.join(" or ")}?` : "see .help";
    throw new CommandError(`there is no command .${name}; ${advice}`);
  }
  await command.run(argument, { ...context, commands });
}
