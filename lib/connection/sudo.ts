import { randomBytes } from "node:crypto";
import type { Connection } from "../model/connection";
import { ConnectionFailed } from "../model/errors";
import { defhop, type HopContext } from "../model/hop";
import { asCode } from "../model/property";
import { account, object, optional, string } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { inside } from "./_inside";
import { Password } from "./_passwords";
import { resultOf } from "./command-result";
import { type CommandWrapper, wrapped } from "./wrapped";

const args = object({
  user: optional(account()),
  credential: optional(
    string({ pattern: "^[^\\u0000\\n]{1,64}$", description: "a name for the password that hosts share" }),
  ),
});

/**
 * As the user `user` (root unless given), by sudo(8). Where sudo wants a password, the person at the terminal is asked
 * for it: once in a session for each account of each host, or once for all hosts whose hop names the same `credential`.
 * It is kept in memory only, and written to sudo only after sudo has asked for it in our own words: not on a command line,
 * nor in the environment, a file, a log, or the input of a command.
 *
 * Each command is `/bin/sh -c …`, so that one line of sudoers allows them all. Throws `ConnectionFailed` when sudo
 * refuses, when nobody is there to be asked, and when three passwords were wrong.
 */
export const sudo = defhop({
  name: "sudo",
  args,
  open: async (said, context) => {
    const { user = "root" } = said;
    const hop = asCode("via.sudo", said.user === undefined && said.credential === undefined ? [] : [said]);
    if (!context.ask) return wrapped(context.parent, hop, withoutPassword(user, false));
    return withPerson(user, hop, said.credential, { ...context, ask: context.ask });
  },
});

/** As sudo does it when nobody can be asked. */
function withoutPassword(user: string, asked: boolean): CommandWrapper {
  return {
    command: (command) => `exec sudo -H -k -n ${words(user, command)}`,
    shown: `sudo -H -k -n ${words(user, "…")}`,
    atHome: true,
    remedy: (said) => {
      if (NEEDS_PASSWORD.test(said))
        return asked
          ? "it has not needed one before; deploy again to be asked for it"
          : `nobody is there to give one: deploy from a terminal, or allow \`/bin/sh\` without one (NOPASSWD) in sudoers, or connect as ${user}`;
      return refusal(said);
    },
  };
}

const NEEDS_PASSWORD = /password is required|terminal is required|no askpass program/;

const words = (user: string, command: string): string =>
  `--user=${shellQuote(user)} -- /bin/sh -c ${command === "…" ? command : shellQuote(command)}`;

function refusal(said: string): string | undefined {
  if (/not found/.test(said))
    return "sudo is not installed there; connect as root, or use via.su or via.doas";
  if (/unknown user/.test(said)) return "the account must be there before the hop";
  return /not in the sudoers|not allowed/.test(said)
    ? "sudoers must allow `/bin/sh` to the user before this hop; visudo(8) edits it"
    : undefined;
}

/** Where somebody can be asked: sudo is opened as if it needed a password, and used without one if it did not ask. */
async function withPerson(
  user: string,
  hop: string,
  credential: string | undefined,
  context: HopContext & { readonly ask: NonNullable<HopContext["ask"]> },
): Promise<Connection> {
  const { parent, host, signal } = context;
  const name = (await resultOf(parent, "id -un")).stdout.trim();
  const place = credential === undefined ? `${name} on ${host.name}` : `${name} (${credential})`;
  const key = JSON.stringify(credential === undefined ? ["sudo", host.name, name] : [credential]);
  const password = new Password(context.ask, key, `Password of ${place}, for sudo:`, signal);
  for (;;) {
    let questions = 0;
    const passage = withPassword(user, () => {
      questions += 1;
      return password.next();
    });
    try {
      await (await wrapped(parent, hop, passage)).close();
      break;
    } catch (error) {
      signal.throwIfAborted();
      if (password.outcome === "declined")
        throw new ConnectionFailed(
          hop,
          `sudo wants the password of ${place}, and it was not given; deploy again to be asked`,
        );
      if (password.outcome === "wrong")
        throw new ConnectionFailed(
          hop,
          `sudo did not accept the password of ${place}, three times; is it another one there?`,
        );
      // sudo may allow fewer attempts than we do.
      if (questions === 0 || !(error instanceof ConnectionFailed) || !WRONG.test(error.message)) throw error;
    }
  }
  const { right } = password;
  return inside(
    parent,
    hop,
    right === undefined
      ? withoutPassword(user, true)
      : withPassword(user, async (time) => (time === 1 ? right : undefined)),
  );
}

const WRONG = /incorrect password|no password was provided|try again|authentication failure/i;

/** The prompt is ours, and nothing else knows it: so when it appears, it is sudo that reads. */
function withPassword(user: string, answer: (time: number) => Promise<string | undefined>): CommandWrapper {
  const sign = `[password ${randomBytes(12).toString("hex")}]`;
  return {
    command: (command) => `exec sudo -H -k -S --prompt=${shellQuote(sign)} ${words(user, command)}`,
    shown: `sudo -H -k -S ${words(user, "…")}`,
    atHome: true,
    prompt: { sign, answer },
    remedy: (said) =>
      WRONG.test(said)
        ? "the password is not accepted any more; deploy again to be asked for it"
        : refusal(said),
  };
}
