import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { account, object, optional } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * Runs as the user `user` (root by default) with run0(1) of systemd 256 or newer. Each command is its own unit and inherits
 * no environment. The hop fails where polkit requires a password: run0 reads one only from a terminal.
 */
export const run0 = defhop({
  name: "run0",
  args: object({ user: optional(account()) }),
  sees: ({ user = "root" }) => ({ root: "/", user }),
  open: ({ user = "root" }, { parent }) =>
    wrapped(parent, user === "root" ? "via.run0()" : asCode("via.run0", [{ user }]), {
      command: (command) =>
        `exec run0 --no-ask-password --user=${shellQuote(user)} --chdir=/ -- /bin/sh -c ${shellQuote(command)}`,
      atHome: true,
      hidesSignals: true,
      remedy: (output) => {
        if (/not found/.test(output)) return "run0 needs systemd 256 or newer; use via.sudo()";
        return /authentication required|access denied|permission denied/i.test(output)
          ? "add a polkit rule that allows this user org.freedesktop.systemd1.manage-units without a password, or use via.sudo()"
          : undefined;
      },
    }),
});
