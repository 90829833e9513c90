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
 * Runs as the user `user` on the same machine. Needs root, or that very user, before it. No password, no login shell, no
 * PAM session: it works for users whose shell is nologin. If the home directory does not exist, / replaces it, as with
 * login(1). Behind an agent, a pristine worker runs as that user.
 */
export const as = defhop({
  name: "as",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  open: async ({ user }, { parent }) => {
    const hop = hopText(user);
    const { uid, name } = await currentUser(parent);
    if (name === user) return wrapped(parent, hop, { command: (command) => command });
    if (uid !== 0)
      throw new ConnectionFailed(
        hop,
        `needs root, but the hop before it runs as ${name}; add via.sudo() before it`,
      );
    const { ids } = await accountOf(parent, user, hop);
    return wrapped(parent, hop, {
      command: (command) => `${become(user, Number(ids[0]))} /bin/sh -c ${shellQuote(command)}`,
      ownGroup: true,
    });
  },
  sees: ({ user }) => ({ root: "/", user }),
  enter: async ({ user }, { parent, uid }) => {
    const hop = hopText(user);
    const { name } = await currentUser(parent);
    if (uid !== 0 && name !== user)
      throw new ConnectionFailed(
        hop,
        `needs root, but the agent runs as ${name}; add via.sudo() before via.agent()`,
      );
    const { home, ids } = await accountOf(parent, user, hop);
    const become = uid === 0 ? `setpriv --reuid=${ids[0]} --regid=${ids[1]} --init-groups -- ` : "";
    const environment = `HOME=${shellQuote(home)} USER=${user} LOGNAME=${user} SHELL=/bin/sh PATH=${shellQuote(pathOf(Number(ids[0])))}`;
    return { script: `cd ${shellQuote(home)} 2>/dev/null || cd /\nexec ${become}env -i ${environment} "$@"` };
  },
});

const hopText = (user: string): string => asCode("via.as", [user]);

/**
 * Uses runuser(1) where available, else su(1) with /bin/sh, which works for any account. HOME is that of passwd(5); no other
 * variable of root's reaches the user, such as the directory of root's own session.
 */
const become = (user: string, uid: number): string => {
  const name = shellQuote(user);
  const environment = `USER=${name} LOGNAME=${name} SHELL=/bin/sh PATH=${shellQuote(pathOf(uid))}`;
  return `become() { if command -v runuser >/dev/null 2>&1; then exec runuser -u ${name} -- env -i HOME="$HOME" ${environment} "$@"; else exec su -s /bin/sh ${name} -c 'exec env -i HOME="$0" ${environment} "$@"' -- "$HOME" "$@"; fi; }; HOME=$(eval echo ~${name}); [ -d "$HOME" ] || HOME=/; export HOME; cd "$HOME" 2>/dev/null || cd /; become`;
};

async function currentUser(parent: Connection): Promise<{ uid: number; name: string }> {
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
      `there is no user ${user} on the host; user.hasAccount("${user}") creates it`,
    );
  return { home, ids: [uid, gid] };
}
