import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { list, object, string } from "../model/schema";
import { shellQuote, shellWords } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * Behind any command that runs the one that follows it: `via.shellWrap("ip", "netns", "exec", "blue")` runs
 * `ip netns exec blue /bin/sh -c …`. It must hand on streams and exit code, and add nothing to the output.
 */
export const shellWrap = defhop({
  name: "shellWrap",
  args: object({
    words: list(string({ pattern: "^[^\\u0000]+$", description: "one word of a command" }), { minItems: 1 }),
  }),
  call: (...words: string[]) => ({ words }),
  open: ({ words }, { parent }) =>
    wrapped(parent, asCode("via.shellWrap", words), {
      command: (command) => `exec ${shellWords(words)} /bin/sh -c ${shellQuote(command)}`,
      // Nobody knows where the command leads.
      otherFiles: true,
    }),
});
