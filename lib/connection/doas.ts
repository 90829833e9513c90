import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { account, object, optional } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * As the user `user` (root unless given), by doas(1) without a password: doas takes one from a terminal only. Each
 * command is `/bin/sh -c …`, so that one line of doas.conf allows them all.
 */
export const doas = defhop({
  name: "doas",
  args: object({ user: optional(account()) }),
  open: ({ user = "root" }, { parent }) =>
    wrapped(parent, user === "root" ? "via.doas()" : asCode("via.doas", [{ user }]), {
      command: (command) => `exec doas -n -u ${shellQuote(user)} -- /bin/sh -c ${shellQuote(command)}`,
      atHome: true,
      ownGroup: true,
      remedy: (said) => {
        if (/not found/.test(said)) return "doas is not installed there; use via.sudo()";
        if (/not enabled|doas\.conf/.test(said)) return `/etc/doas.conf has to allow it: ${rule(user)}`;
        return /Authentication|tty|Operation not permitted/i.test(said)
          ? `it must be allowed without a password, in /etc/doas.conf: ${rule(user)}`
          : undefined;
      },
    }),
});

const rule = (user: string): string => `permit nopass USER as ${user} cmd /bin/sh`;
