import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { list, object, string } from "../model/schema";
import { shellQuote, shellWords } from "../util/shell-quote";
import { wrapped } from "./wrapped";

/**
 * Runs commands through another command: `via.shellWrap("ip", "netns", "exec", "blue")` runs
 * `ip netns exec blue /bin/sh -c …`. That command must pass on streams and exit code, and print nothing of its own.
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
      // The command may switch to any file system.
      otherFiles: true,
    }),
});
