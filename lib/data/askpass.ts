import type { DataSource } from "../model/data-source";
import { ConsfigError } from "../model/errors";
import { outputOf, withoutLineBreak } from "./_run";

/** How often the user may type two different texts. */
const MAX_TRIES = 3;

/**
 * Every datum whose names match `iden1` and `iden2`: the user types it, twice, when a deployment first needs it in a
 * session; never for a plan. Where there is no terminal, the program that `SSH_ASKPASS` names asks. No host keeps it.
 *
 * @example registerDataSource(source.askpass({ iden1: /^--luks-passphrase$/ }))
 */
export function askpass(options: { readonly iden1?: RegExp; readonly iden2?: RegExp } = {}): DataSource {
  const { iden1: first = /^/, iden2: second = /^/ } = options;
  const shown = Object.entries(options).map(([key, regex]) => `${key}: ${String(regex)}`);
  return {
    name: `source.askpass(${shown.length > 0 ? `{ ${shown.join(", ")} }` : ""})`,
    asks: true,
    kept: () => false,
    version: (iden1, iden2) => (matches(first, iden1) && matches(second, iden2) ? 1 : undefined),
    get: async (iden1, iden2, { ask }) => {
      const typed = ask ? (question: string) => ask.secret(question) : program();
      const what = `(${iden1}, ${iden2})`;
      for (let time = 1; time <= MAX_TRIES; time++) {
        const once = await typed(`${time > 1 ? "The two differ, try again. " : ""}${what}:`);
        const again = once === undefined ? undefined : await typed(`${what}, again:`);
        if (once === undefined || again === undefined) throw new ConsfigError("nothing was entered");
        if (once === again) return once;
      }
      throw new ConsfigError(`what was typed differed ${MAX_TRIES} times`);
    },
  };
}

/** Without the state of a global or sticky expression. */
const matches = (regex: RegExp, text: string): boolean =>
  new RegExp(regex.source, regex.flags.replace(/[gy]/g, "")).test(text);

/** The program that asks in a window; it prints what was typed. */
function program(): (question: string) => Promise<string | undefined> {
  const asks = process.env["SSH_ASKPASS"];
  const hasDisplay = process.env["DISPLAY"] !== undefined || process.env["WAYLAND_DISPLAY"] !== undefined;
  if (!asks || !hasDisplay)
    throw new ConsfigError("there is no terminal to ask on, and no SSH_ASKPASS with a display");
  return async (question) => withoutLineBreak(await outputOf([asks, question])).toString("utf8");
}
