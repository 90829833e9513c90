import type { Connection } from "../model/connection";
import { asCode } from "../model/property";
import { account, object, optional, string } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/** What a hop into a container of docker(1) or podman(1) takes. */
export const containerArgs = object({
  name: string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    description: "the name of a container, or the beginning of its ID",
  }),
  user: optional(account()),
});

export const containerCall = (
  name: string,
  { user }: { readonly user?: string } = {},
): { name: string; user?: string } => ({ name, ...(user !== undefined && { user }) });

/** A connection into the running container, by `exec -i` of `engine`. */
export function intoContainer(
  engine: "docker" | "podman",
  parent: Connection,
  { name, user }: { readonly name: string; readonly user?: string | undefined },
): Promise<Connection> {
  const words = `${engine} exec -i ${user === undefined ? "" : `-u ${shellQuote(user)} `}${shellQuote(name)} /bin/sh -c`;
  return wrapped(
    parent,
    user === undefined ? asCode(`via.${engine}`, [name]) : asCode(`via.${engine}`, [name, { user }]),
    {
      command: (command) => `${RUNTIME_DIR}\nexec ${words} ${shellQuote(command)}`,
      shown: `${words} …`,
      atHome: true,
      // Podman sometimes says 0 for a command that was killed, and may leave it in a group that has no number inside.
      hidesSignals: true,
      otherFiles: true,
      remedy: (said) => {
        if (/\/bin\/sh/.test(said) && /no such file|not found/i.test(said))
          return "its image has no shell, and a hop needs one";
        if (/no such container|no container with/i.test(said))
          return `\`${engine} ps --all\` lists the containers of this user`;
        if (/not running|improper/i.test(said)) return `\`${engine} start ${name}\` starts it`;
        if (/permission denied/i.test(said)) return "this user may not; add via.sudo() before it";
        return new RegExp(`${engine}: (command )?not found`).test(said)
          ? `${engine} is not installed there`
          : undefined;
      },
    },
  );
}

/** Another user's containers are found by the directory that a login would have named. */
const RUNTIME_DIR = `if [ -z "\${XDG_RUNTIME_DIR-}" ] && [ -d "/run/user/$(id -u)" ]; then
  XDG_RUNTIME_DIR=/run/user/$(id -u); export XDG_RUNTIME_DIR
fi`;
