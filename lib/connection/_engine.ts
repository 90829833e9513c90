import type { Connection } from "../model/connection";
import { asCode } from "../model/property";
import { account, object, optional, string } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/** The arguments of a hop into a docker(1) or podman(1) container. */
export const containerArgs = object({
  name: string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    description: "the name of a container, or the first characters of its ID",
  }),
  user: optional(account()),
});

export const containerCall = (
  name: string,
  { user }: { readonly user?: string } = {},
): { name: string; user?: string } => ({ name, ...(user !== undefined && { user }) });

/** A connection into the running container, with `exec -i` of `engine`. */
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
      // Podman sometimes reports exit code 0 for a killed command, whose process group may have no number inside.
      hidesSignals: true,
      otherFiles: true,
      remedy: (output) => {
        if (/\/bin\/sh/.test(output) && /no such file|not found/i.test(output))
          return "the image has no /bin/sh, which the hop needs";
        if (/no such container|no container with/i.test(output))
          return `\`${engine} ps --all\` lists the containers of this user`;
        if (/not running|improper/i.test(output)) return `start it with \`${engine} start ${name}\``;
        if (/permission denied/i.test(output)) return "this user has no permission; add via.sudo() before it";
        return new RegExp(`${engine}: (command )?not found`).test(output)
          ? `${engine} is not installed on that machine`
          : undefined;
      },
    },
  );
}

/** Rootless containers are found through this variable, which is only set by a login. */
const RUNTIME_DIR = `if [ -z "\${XDG_RUNTIME_DIR-}" ] && [ -d "/run/user/$(id -u)" ]; then
  XDG_RUNTIME_DIR=/run/user/$(id -u); export XDG_RUNTIME_DIR
fi`;
