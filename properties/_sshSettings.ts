/** Settings of sshd and ssh as arguments of properties. */
import { InapplicableProperty, schema } from "consfigurator";
import { type Pairs, pairsOf, tuple, withoutOptions } from "./_pairs";
import type { SshSetting } from "./_sshConfig";

const { list, string } = schema;

/** A value, or the values of a keyword of which every line counts. */
type Values = string | readonly string[];

/** Settings, as in `Pairs`; options may follow. */
export type SshParams<O> =
  | string[]
  | [...words: string[], options: O]
  | [settings: Readonly<Record<string, Values>> | readonly (readonly [string, Values])[], options?: O];

export const sshSettings = (): schema.Schema<SshSetting[]> =>
  list(
    tuple<SshSetting>(
      string({ pattern: "^[A-Za-z][A-Za-z0-9]*$", description: 'a keyword, such as "Port"' }),
      list(string({ pattern: "^[^\\n\\r]*\\S[^\\n\\r]*$", description: "a non-empty value on one line" }), {
        minItems: 1,
      }),
    ),
    { minItems: 1 },
  );

/** The arguments of a call, in which a keyword that is given twice has the last value. */
export function sshArgs<O extends object>(params: SshParams<O>): { settings: SshSetting[] } & Partial<O> {
  const [words, options] = withoutOptions<O>(params);
  const settings = pairsOf(words as Pairs).map(([keyword, value]) => [keyword, [value].flat()] as SshSetting);
  const last = new Map(settings.map((setting) => [String(setting[0]).toLowerCase(), setting]));
  return { settings: [...last.values()], ...options };
}

export const settingsInWords = (settings: readonly SshSetting[]): string =>
  settings.map(([keyword, values]) => `${keyword} ${values.join(", ")}`).join("; ");

/** Refuses keywords that begin a block, or read another file. */
export function refuseBlocks(settings: readonly SshSetting[], hint: string): void {
  const found = settings.find(([keyword]) => /^(match|host|include)$/i.test(keyword));
  if (!found) return;
  const [keyword] = found;
  throw new InapplicableProperty(
    /^include$/i.test(keyword)
      ? `${keyword} is not a setting; write the settings of the other file with this property, too`
      : `${keyword} begins a block and is not a setting; ${hint}`,
  );
}
