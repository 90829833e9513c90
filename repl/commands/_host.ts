import { type Host, hosts } from "../../lib/model/host";
import { similar } from "../../lib/util/similar";
import { memberOf } from "../_members";
import type { CommandContext } from "./command";
import { CommandError } from "./error";

type Names = Pick<CommandContext, "shell">;

/** The names of hosts in scope at the prompt. */
export const hostNames = ({ shell }: Names): string[] =>
  Object.entries(shell.workspace.names())
    .filter(([, value]) => isHost(value))
    .map(([name]) => name);

/** Every name that commands accept for a host: its own, and its name at the prompt. */
export const allHostNames = (context: Names): string[] => [
  ...new Set([...hostNames(context), ...hosts.names()]),
];

/** Resolves a host's own name or its name at the prompt to its own name; undefined if there is no such host. */
export function resolveHost(name: string, { shell }: Names): string | undefined {
  const scope = shell.workspace.names();
  const value = Object.hasOwn(scope, name) ? scope[name] : undefined;
  if (isHost(value)) return value.name;
  return hosts.get(name) ? name : undefined;
}

/** Like `resolveHost`, but throws `CommandError` if there is no such host. */
export function requireHost(name: string, context: Names): string {
  const host = resolveHost(name, context);
  if (host !== undefined) return host;
  const meant = similar(allHostNames(context), name, 4);
  const known = context.shell.terminal ? "see .hosts" : `the hosts are ${hosts.names().join(", ")}`;
  const advice = meant.length > 0 ? `did you mean ${meant.join(" or ")}?` : known;
  throw new CommandError(`there is no host "${name}"; ${advice}`);
}

/** The hosts called `names`, each once. Throws `CommandError` if there is no such host. */
export const hostsNamed = (names: readonly string[], shell: Names["shell"]): Host[] =>
  [...new Set(names.map((name) => requireHost(name, { shell })))].map((name) => hosts.get(name) as Host);

/** Checks without running any code of the value. */
const isHost = (value: unknown): value is { readonly name: string } =>
  Array.isArray(memberOf(value, "applications")) && typeof memberOf(value, "name") === "string";
