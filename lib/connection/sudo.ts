import { shellQuote } from "../_quote";
import { account, object, optional } from "../schema";
import { wrapped } from "./_wrapped";
import { defhop } from "./hop";

/**
 * As the user `user` (root unless given), by sudo(8) without a password. Where sudo wants one, the hop is refused.
 * Each command is `sh -c …`, so that one line of sudoers allows them all.
 */
export const sudo = defhop({
  name: "sudo",
  args: object({ user: optional(account()) }),
  open: ({ user = "root" }, { parent }) =>
    wrapped(parent, `via.sudo(${user === "root" ? "" : `{ user: ${JSON.stringify(user)} }`})`, {
      command: (command) =>
        `exec sudo -H -k -n --user=${shellQuote(user)} -- /bin/sh -c ${shellQuote(command)}`,
      proof: "true",
      remedy: (said) =>
        /password is required|a terminal is required/.test(said)
          ? `sudo asks for a password; allow \`sh\` without one (NOPASSWD) in sudoers for this user, or connect as ${user}`
          : undefined,
    }),
});
