import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { account, object, optional } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * As the user `user` (root unless given), by run0(1) of systemd 256 or newer: each command is a unit of its own, with
 * nothing of the environment before it. Where polkit wants a password, the hop is refused: run0 takes one from a
 * terminal only.
 */
export const run0 = defhop({
  name: "run0",
  args: object({ user: optional(account()) }),
  open: ({ user = "root" }, { parent }) =>
    wrapped(parent, user === "root" ? "via.run0()" : asCode("via.run0", [{ user }]), {
      command: (command) =>
        `exec run0 --no-ask-password --user=${shellQuote(user)} --chdir=/ -- /bin/sh -c ${shellQuote(command)}`,
      atHome: true,
      hidesSignals: true,
      remedy: (said) => {
        if (/not found/.test(said)) return "it takes systemd 256 or newer; use via.sudo()";
        return /authentication required|access denied|permission denied/i.test(said)
          ? "a rule of polkit has to allow org.freedesktop.systemd1.manage-units to this user without a password; or use via.sudo()"
          : undefined;
      },
    }),
});
