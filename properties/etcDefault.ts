/** Settings in /etc/default. */
import { defproplist, schema } from "consfigurator";
import { shell } from "./_conf";
import { containsConfShell } from "./_fileSettings";
import { type Pairs, pairsOf, settingsArgs } from "./_pairs";

const { object } = schema;
const { pairs } = settingsArgs(shell).properties as { pairs: schema.Schema<(readonly [string, string])[]> };

/**
 * The file `name` in /etc/default sets each key to its value, as `file.containsConfShell` does.
 *
 * @example etcDefault.contains("grub", "GRUB_TIMEOUT", "1")
 */
export const contains = defproplist({
  name: "etcDefault.contains",
  args: object({
    name: schema.string({
      pattern: "^(?!.*(^|/)\\.\\.?(/|$))[^\\u0000\\n/][^\\u0000\\n]*$",
      description: 'a file in /etc/default, such as "grub" or "grub.d/shop.cfg"',
    }),
    pairs,
  }),
  call: (name: string, ...given: Pairs) => ({ name, pairs: pairsOf(given) as [string, string][] }),
  desc: ({ name, pairs }) =>
    `/etc/default/${name} sets ${pairs.map(([key, value]) => `${key}=${value}`).join(", ")}`,
  parts: ({ name, pairs }) => [containsConfShell(`/etc/default/${name}`, pairs)],
});
