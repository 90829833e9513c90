import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { account, object } from "../model/schema";
import { ROOT_PATH, USER_PATH } from "../util/login-environment";
import { shellQuote } from "../util/shell-quote";
import { resultOf } from "./command-result";
import { wrapped } from "./wrapped";

/**
 * Runs as the user `user` with su(1): with a PAM session, unlike `via.as`, and with the account's own environment only.
 * Needs root before it, from which su asks no password. The shell is /bin/sh, even if the account has another.
 */
export const su = defhop({
  name: "su",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  sees: ({ user }) => ({ root: "/", user }),
  open: async ({ user }, { parent }) => {
    const hop = asCode("via.su", [user]);
    const { stdout } = await resultOf(parent, "id -u; id -un");
    const [uid, name] = stdout.split("\n");
    if (uid !== "0")
      throw new ConnectionFailed(
        hop,
        `needs root, but the hop before it runs as ${name}; add via.sudo() before it`,
      );
    const path = user === "root" ? ROOT_PATH : USER_PATH;
    return wrapped(parent, hop, {
      command: (command) =>
        `exec env -i PATH=${path} su -s /bin/sh ${shellQuote(user)} -c ${shellQuote(command)}`,
      shown: `su -s /bin/sh ${shellQuote(user)} -c …`,
      atHome: true,
      remedy: (output) =>
        /does not exist|no passwd entry|unknown (login|user|id)/i.test(output)
          ? `user.hasAccount(${JSON.stringify(user)}) creates the account`
          : undefined,
    });
  },
});
