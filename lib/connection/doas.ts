import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { account, object, optional } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * Runs as the user `user` (root by default) with doas(1), without a password: doas reads one only from a terminal. Each
 * command is `/bin/sh -c …`, so that one line of doas.conf allows them all.
 */
export const doas = defhop({
  name: "doas",
  args: object({ user: optional(account()) }),
  sees: ({ user = "root" }) => ({ root: "/", user }),
  open: ({ user = "root" }, { parent }) =>
    wrapped(parent, user === "root" ? "via.doas()" : asCode("via.doas", [{ user }]), {
      command: (command) => `exec doas -n -u ${shellQuote(user)} -- /bin/sh -c ${shellQuote(command)}`,
      atHome: true,
      ownGroup: true,
      remedy: (output) => {
        if (/not found/.test(output)) return "doas is not installed; use via.sudo()";
        if (/not enabled|doas\.conf/.test(output)) return `allow it in /etc/doas.conf: ${rule(user)}`;
        return /Authentication|tty|Operation not permitted/i.test(output)
          ? `allow it without a password in /etc/doas.conf: ${rule(user)}`
          : undefined;
      },
    }),
});

const rule = (user: string): string => `permit nopass USER as ${user} cmd /bin/sh`;
