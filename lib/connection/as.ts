import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { account, object } from "../model/schema";
import { pathOf } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { resultOf } from "./command-result";
import { wrapped } from "./wrapped";

/**
 * As the user `user` of the same machine; it takes root before it, or to be that user already. No password, no login
 * shell, no PAM session: it works for users whose shell is nologin. One whose home directory is not there has /, as
 * login(1) does it. In an agent it is a pristine worker of that user.
 */
export const as = defhop({
  name: "as",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  open: async ({ user }, { parent }) => {
    const hop = hopText(user);
    const { uid, name } = await whoIs(parent);
    if (name === user) return wrapped(parent, hop, { command: (command) => command });
    if (uid !== 0)
      throw new ConnectionFailed(
        hop,
        `it takes root, and the hop before it is the user ${name}; add via.sudo() before it`,
      );
    await accountOf(parent, user, hop);
    return wrapped(parent, hop, {
      command: (command) => `${become(user)} /bin/sh -c ${shellQuote(command)}`,
      ownGroup: true,
    });
  },
  enter: async ({ user }, { parent, uid }) => {
    const hop = hopText(user);
    const { name } = await whoIs(parent);
    if (uid !== 0 && name !== user)
      throw new ConnectionFailed(
        hop,
        `it takes root, and the agent runs as ${name}; add via.sudo() before via.agent()`,
      );
    const { home, ids } = await accountOf(parent, user, hop);
    const become = uid === 0 ? `setpriv --reuid=${ids[0]} --regid=${ids[1]} --init-groups -- ` : "";
    const environment = `HOME=${shellQuote(home)} USER=${user} LOGNAME=${user} SHELL=/bin/sh PATH=${shellQuote(pathOf(Number(ids[0])))}`;
    return { script: `cd ${shellQuote(home)} 2>/dev/null || cd /\nexec ${become}env -i ${environment} "$@"` };
  },
});

const hopText = (user: string): string => asCode("via.as", [user]);

/** runuser(1) where there is one, else su(1) with a shell that any account accepts. Both set HOME as in passwd(5). */
const become = (user: string): string => {
  const name = shellQuote(user);
  return `become() { if command -v runuser >/dev/null 2>&1; then exec runuser -u ${name} -- env HOME="$HOME" "$@"; else exec su -s /bin/sh ${name} -c 'exec env HOME="$0" "$@"' -- "$HOME" "$@"; fi; }; HOME=$(eval echo ~${name}); [ -d "$HOME" ] || HOME=/; export HOME USER=${name} LOGNAME=${name} SHELL=/bin/sh; cd "$HOME" 2>/dev/null || cd /; become`;
};

async function whoIs(parent: Connection): Promise<{ uid: number; name: string }> {
  const { stdout } = await resultOf(parent, "id -u; id -un");
  const [uid = "", name = ""] = stdout.split("\n");
  return { uid: Number(uid), name };
}

async function accountOf(
  parent: Connection,
  user: string,
  hop: string,
): Promise<{ home: string; ids: readonly string[] }> {
  const name = shellQuote(user);
  const { stdout, exit } = await resultOf(
    parent,
    `id -u ${name} && id -g ${name} && h=$(eval echo ~${name}) && { [ -d "$h" ] || h=/; } && echo "$h"`,
  );
  const [uid = "", gid = "", home = "/"] = stdout.split("\n");
  if (exit !== 0)
    throw new ConnectionFailed(
      hop,
      `there is no user ${user} on the host; user.hasAccount("${user}") makes one`,
    );
  return { home, ids: [uid, gid] };
}
