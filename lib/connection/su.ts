import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { account, object } from "../model/schema";
import { ROOT_PATH, USER_PATH } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { resultOf } from "./command-result";
import { wrapped } from "./wrapped";

/**
 * As the user `user`, by su(1): with a session of PAM, unlike `via.as`, and with no more of the environment than what
 * belongs to the account. It takes root before it, whom su asks for no password; the shell is /bin/sh whatever the
 * account's own is.
 */
export const su = defhop({
  name: "su",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  open: async ({ user }, { parent }) => {
    const hop = asCode("via.su", [user]);
    const { stdout } = await resultOf(parent, "id -u; id -un");
    const [uid, name] = stdout.split("\n");
    if (uid !== "0")
      throw new ConnectionFailed(
        hop,
        `it takes root, and the hop before it is the user ${name}; add via.sudo() before it`,
      );
    const path = user === "root" ? ROOT_PATH : USER_PATH;
    return wrapped(parent, hop, {
      command: (command) =>
        `exec env -i PATH=${path} su -s /bin/sh ${shellQuote(user)} -c ${shellQuote(command)}`,
      shown: `su -s /bin/sh ${shellQuote(user)} -c …`,
      atHome: true,
      remedy: (said) =>
        /does not exist|no passwd entry|unknown (login|user|id)/i.test(said)
          ? `user.hasAccount(${JSON.stringify(user)}) makes the account`
          : undefined,
    });
  },
});
