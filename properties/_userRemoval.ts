/** Accounts that do not exist. */
import { AbortedChange, defprop, FailedChange, InapplicableProperty, schema } from "consfigurator";
import { predictUserdel } from "./_accountModel";
import { needsUsermod } from "./_accounts";
import { needsRoot } from "./_needs";
import { runs } from "./_os";

const { account, boolean, object, optional } = schema;

/**
 * The account `username` does not exist, nor is it a member of any group. Its own group goes with it, when nobody else is in it. Its home
 * directory stays, unless `removeHome` is true: then it goes with the account, and so does its mail; once the account is gone, it is not
 * looked for any more. Refused while a process of the account runs, and for the connected user.
 *
 * @example user.doesNotExist("former-colleague")
 * @example user.doesNotExist("kiosk", { removeHome: true })
 */
export const doesNotExist = defprop({
  name: "user.doesNotExist",
  kind: "posix",
  args: object({ username: account(), removeHome: optional(boolean()) }),
  call: (username: string, options: { removeHome?: boolean } = {}) => ({ username, ...options }),
  desc: ({ username }) => `no account ${username}`,
  hostattrs: ({ username }, host) => {
    needsUsermod(host, "freebsd");
    if (username === "root")
      throw new InapplicableProperty("no system works without root; name another account");
  },
  check: async ({ username }, target) => (await target.user(username)) === undefined,
  apply: async ({ username, removeHome = false }, target) => {
    await needsRoot(target, "user.doesNotExist");
    const found = await target.user(username);
    if (found?.uid === 0)
      throw new AbortedChange(`the account ${username} has the number 0, as root; give it another one first`);
    const isFreeBsd = runs(target.host, "freebsd");
    const option = removeHome ? [isFreeBsd ? "-r" : "--remove"] : [];
    const command = isFreeBsd ? ["pw", "userdel", username, ...option] : ["userdel", ...option, username];
    const { exit, stderr } = await target.run(command, {
      mayFail: true,
      predict: (model) => predictUserdel(model, username, removeHome),
    });
    if (exit === BUSY && !isFreeBsd)
      throw new AbortedChange(`${stderr.trim()}; end what runs for ${username}, then deploy again`);
    if (exit !== 0)
      throw new FailedChange(`\`${command.join(" ")}\` ended with exit code ${exit}: ${stderr.trim()}`);
    target.report({ kind: "account", change: "removed", name: username });
    return "changed";
  },
});

/** The exit code of userdel for a user who is logged in. */
const BUSY = 8;
