/** Passwords of accounts. */
import { AbortedChange, defprop, type HostFacts, Secret, schema } from "consfigurator";
import { predictField } from "./_accountModel";
import { existing, needsUsermod } from "./_accounts";
import { needsRoot } from "./_needs";

const { account, object } = schema;

const one = object({ username: account() });
const byName = (username: string) => ({ username });

/**
 * The account `username` has no password that could be used to log in. Other methods, such as ssh keys, still work.
 *
 * @example user.hasLockedPassword("root")
 */
export const hasLockedPassword = defprop({
  name: "user.hasLockedPassword",
  kind: "posix",
  args: one,
  call: byName,
  desc: ({ username }) => `${username} has no usable password`,
  hostattrs: (_args, host) => needsUsermod(host),
  check: async ({ username }, target) => {
    await needsRoot(target, "user.hasLockedPassword");
    await existing(target, username);
    return isLocked(await target.readLines("/etc/shadow"), username);
  },
  apply: async ({ username }, target) => {
    await target.run(["passwd", "--lock", username], {
      predict: (model) => predictField(model, "/etc/shadow", username, 1, (password) => `!${password}`),
    });
    target.report({ kind: "account", change: "modified", name: username, detail: "password: locked" });
    return "changed";
  },
});

/**
 * The account `username` has a password with which it can log in. One that has none, or a locked one, gets the prerequisite data
 * ("--user-passwd--HOST", `username`), HOST being the name of the host; the password of any other stays as it is, so a user may change it.
 * A password is one line. The account must exist.
 *
 * @example user.hasEnabledPassword("ana")
 */
export const hasEnabledPassword = defprop({
  name: "user.hasEnabledPassword",
  kind: "posix",
  args: one,
  call: byName,
  desc: ({ username }) => `${username} has a usable password`,
  hostattrs: ({ username }, host) => {
    needsUsermod(host);
    host.requireData(passwordsOf(host), username);
  },
  check: async ({ username }, target) => {
    await needsRoot(target, "user.hasEnabledPassword");
    await existing(target, username);
    return passwordOf(await target.readLines("/etc/shadow"), username) === "usable";
  },
  apply: async ({ username }, target) => {
    const [iden1, iden2] = [passwordsOf(target.host), username];
    const password = (await target.data(iden1, iden2))
      .reveal()
      .toString()
      .replace(/\r?\n$/, "");
    if (!/^[^\r\n]+$/.test(password))
      throw new AbortedChange(
        `the data (${iden1}, ${iden2}) is not a password on one line; correct it where it comes from`,
      );
    await target.run(["chpasswd"], {
      input: new Secret(`${username}:${password}\n`),
      secret: true,
      predict: (model) => {
        model.mayChange({ paths: ["/etc/shadow"] });
        return undefined;
      },
    });
    target.report({ kind: "account", change: "modified", name: username, detail: "password: set" });
    return "changed";
  },
});

const passwordsOf = (host: HostFacts): string => `--user-passwd--${host.name}`;

/** What passwd -S says of the entry of `username` in `shadow`: an empty password is "none". */
function passwordOf(shadow: readonly string[], username: string): "usable" | "locked" | "none" {
  const password = shadow.map((line) => line.split(":")).find(([name]) => name === username)?.[1];
  if (!password) return "none";
  return /^[!*]/.test(password) ? "locked" : "usable";
}

/** Whether passwd -S would print "L": no password matches the entry of `username` in `shadow`. */
export const isLocked = (shadow: readonly string[], username: string): boolean =>
  passwordOf(shadow, username) === "locked";
