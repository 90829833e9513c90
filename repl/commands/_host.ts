import { hosts } from "../../lib/model/host";
import { similar } from "../../lib/util/similar";
import { memberOf } from "../_members";
import type { CommandContext } from "./command";
import { CommandError } from "./error";

type Names = Pick<CommandContext, "shell">;

/** The names that hosts have at the prompt. */
export const hostNames = ({ shell }: Names): string[] =>
  Object.entries(shell.workspace.names())
    .filter(([, value]) => isHost(value))
    .map(([name]) => name);

/** Every name by which a command takes a host: its own, and the one it has at the prompt. */
export const hostWords = (context: Names): string[] => [
  ...new Set([...hostNames(context), ...hosts.names()]),
];

/** The own name of the host that goes by `name` here; undefined when none does. */
export function hostCalled(name: string, { shell }: Names): string | undefined {
  const scope = shell.workspace.names();
  const value = Object.hasOwn(scope, name) ? scope[name] : undefined;
  if (isHost(value)) return value.name;
  return hosts.get(name) ? name : undefined;
}

/** As `hostCalled`, but throws `CommandError` when none does. */
export function hostNamed(name: string, context: Names): string {
  const host = hostCalled(name, context);
  if (host !== undefined) return host;
  const meant = similar(hostWords(context), name, 4);
  const advice = meant.length > 0 ? `did you mean ${meant.join(" or ")}?` : "see .hosts";
  throw new CommandError(`there is no host "${name}"; ${advice}`);
}

/** Looked at without running anything of the value. */
const isHost = (value: unknown): value is { readonly name: string } =>
  Array.isArray(memberOf(value, "applications")) && typeof memberOf(value, "name") === "string";
