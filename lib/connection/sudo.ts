import { randomBytes } from "node:crypto";
import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop, type HopContext } from "../model/hop";
import { asCode } from "../model/property";
import { account, object, optional, string } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { wrapConnection } from "./_wrapped-connection";
import { resultOf } from "./command-result";
import { accountIn, Password } from "./passwords";
import { type CommandWrapper, wrapped } from "./wrapped";

const args = object({
  user: optional(account()),
  credential: optional(
    string({
      pattern: "^[^\\u0000\\n]{1,64}$",
      description: "a name for a password that several hosts share",
    }),
  ),
});

/**
 * Runs as the user `user` (root by default) with sudo(8). When sudo needs a password, it is asked for at the terminal: once
 * per session for each account on each host, or once for all hosts whose hop names the same `credential`. It is kept in
 * memory only, and written to sudo only after sudo has printed our own prompt: never on a command line, in the
 * environment, in a file, in a log, or in the input of a command.
 *
 * Each command is `/bin/sh -c …`, so that one line of sudoers allows them all. Throws `ConnectionFailed` when sudo
 * refuses, when there is no terminal to ask on, and after three wrong passwords.
 */
export const sudo = defhop({
  name: "sudo",
  args,
  sees: ({ user = "root" }) => ({ root: "/", user }),
  open: async (args, context) => {
    const { user = "root", credential } = args;
    const hop = asCode("via.sudo", args.user === undefined && credential === undefined ? [] : [args]);
    if (!context.ask) return wrapped(context.parent, hop, withoutPassword(user, false));
    return withAsker(user, hop, credential, { ...context, ask: context.ask });
  },
});

/** sudo without a password. `canAsk`: there is a terminal to ask on. */
function withoutPassword(user: string, canAsk: boolean): CommandWrapper {
  return {
    command: (command) => `exec sudo -H -k -n ${words(user, command)}`,
    shown: `sudo -H -k -n ${words(user, "…")}`,
    atHome: true,
    remedy: (output) => {
      if (NEEDS_PASSWORD.test(output))
        return canAsk
          ? "sudo did not need one before; deploy again to be asked for it"
          : `there is no terminal to ask on: deploy from a terminal, allow \`/bin/sh\` without a password (NOPASSWD) in sudoers, or connect as ${user}`;
      return refusal(output);
    },
  };
}

const NEEDS_PASSWORD = /password is required|terminal is required|no askpass program/;

const words = (user: string, command: string): string =>
  `--user=${shellQuote(user)} -- /bin/sh -c ${command === "…" ? command : shellQuote(command)}`;

/** sudo would ask for a new password next. */
const EXPIRED = /password is expired|password has expired|password must be changed/i;

function refusal(output: string): string | undefined {
  if (/not found/.test(output)) return "sudo is not installed; connect as root, or use via.su or via.doas";
  if (/must have a tty/.test(output))
    return "sudoers has requiretty, which keeps no program from asking and is not needed; remove it with visudo(8), or except the user of the hop before: `Defaults:NAME !requiretty`";
  if (EXPIRED.test(output))
    return "the password of the account has expired: log in as the user of the hop before, and set a new one with passwd(1)";
  if (/unknown user/.test(output)) return "create the account before this hop is opened";
  return /not in the sudoers|not allowed/.test(output)
    ? "allow `/bin/sh` in sudoers for the user of the hop before it; visudo(8) edits that file"
    : undefined;
}

/** With a terminal to ask on: tries sudo as if it needed a password, and uses it without one if it does not ask. */
async function withAsker(
  user: string,
  hop: string,
  credential: string | undefined,
  context: HopContext & { readonly ask: NonNullable<HopContext["ask"]> },
): Promise<Connection> {
  const { parent, host, signal } = context;
  const name = (await resultOf(parent, "id -un")).stdout.trim();
  const request = {
    hop: "sudo",
    host: host.name,
    account: name,
    ...(credential !== undefined && { credential }),
  };
  const account = accountIn(request);
  const password = new Password(context.ask, request, signal);
  for (;;) {
    let questions = 0;
    const wrapper = withPassword(user, () => {
      questions += 1;
      return password.next();
    });
    try {
      await (await wrapped(parent, hop, wrapper)).close();
      break;
    } catch (error) {
      signal.throwIfAborted();
      if (password.outcome === "declined")
        throw new ConnectionFailed(
          hop,
          `sudo needs the password for ${account}, and none was entered; deploy again to be asked for it`,
        );
      if (password.outcome === "wrong")
        throw new ConnectionFailed(
          hop,
          `sudo rejected three passwords for ${account}; check which password that account has`,
        );
      // sudo may allow fewer attempts than we do; then ask again.
      if (questions === 0 || !(error instanceof ConnectionFailed) || !WRONG.test(error.message)) throw error;
    }
  }
  const { accepted } = password;
  return wrapConnection(
    parent,
    hop,
    accepted === undefined
      ? withoutPassword(user, true)
      : withPassword(user, async (time) => (time === 1 ? accepted : undefined)),
  );
}

const WRONG = /incorrect password|no password was provided|try again|authentication failure/i;

/** The prompt is random: when it appears, it is sudo that waits for input. */
function withPassword(user: string, answer: (time: number) => Promise<string | undefined>): CommandWrapper {
  const sign = `[password ${randomBytes(12).toString("hex")}]`;
  return {
    command: (command) => `exec sudo -H -k -S --prompt=${shellQuote(sign)} ${words(user, command)}`,
    shown: `sudo -H -k -S ${words(user, "…")}`,
    atHome: true,
    prompt: { sign, answer, hopeless: EXPIRED },
    remedy: (output) =>
      !EXPIRED.test(output) && WRONG.test(output)
        ? "sudo no longer accepts the password; deploy again to be asked for it"
        : refusal(output),
  };
}
