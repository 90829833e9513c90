/** The lines of authorized_keys, sshd(8): options, type, key material, comment. Pure: lines in, lines out. */

/** The options before a key: words separated by commas, in which quotes may hold blanks, commas and `#`. */
const QUOTED = '"(?:\\\\"|\\\\(?!")|[^"\\\\\\n])*"';
const OPTIONS = `(?:[^\\s"#]|${QUOTED})(?:[^\\s"]|${QUOTED})*`;
const TYPE = "(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+";
const KEY = `${TYPE}[ \\t]+AAAA[A-Za-z0-9+/]+=*`;

/** A key on one line, as a regular expression. */
export const AUTHORIZED_KEY = `^(${OPTIONS}[ \\t]+)?${KEY}([ \\t][^\\n]*)?$`;

const LINE = new RegExp(
  `^[ \\t]*(?:(?!${TYPE}[ \\t])(${OPTIONS})[ \\t]+)?(${TYPE})[ \\t]+(AAAA[A-Za-z0-9+/]+=*)(?:[ \\t]+(.*))?$`,
);

export interface AuthorizedKey {
  readonly options: string;
  /** Type and material: sshd compares nothing else. */
  readonly key: string;
  readonly comment: string;
}

/** The key on `line`; undefined when there is none, as in a comment. */
export function parseKey(line: string): AuthorizedKey | undefined {
  const [, options = "", type, material, comment = ""] = LINE.exec(line) ?? [];
  if (type === undefined) return undefined;
  return { options, key: `${type} ${material}`, comment: comment.trim() };
}

/**
 * `lines` in which each key of `wanted` has the options given there, and no others: sshd uses the first line of a key that it can.
 * A key that stands there with these options is left alone, whatever its comment. A new line goes behind the last one of the same
 * key, else to the end.
 */
export function withKeys(lines: readonly string[], wanted: readonly string[]): string[] {
  const result = [...lines];
  for (const [key, own] of byKey(wanted)) {
    const found = result.flatMap((line, at) => (parseKey(line)?.key === key ? [at] : []));
    const optionsAt = (at: number) => parseKey(result[at] ?? "")?.options;
    const options = own.map((line) => parseKey(line)?.options);
    if (found.length === own.length && found.every((at, index) => optionsAt(at) === options[index])) continue;
    const last = found.at(-1) ?? result.length - 1;
    result.splice(last + 1, 0, ...own.slice(found.length));
    for (const [index, at] of [...found.entries()].reverse()) {
      const line = own[index];
      if (line === undefined) result.splice(at, 1);
      else if (optionsAt(at) !== options[index]) result[at] = line;
    }
  }
  return result;
}

/** `lines` without the keys of `unwanted`, whatever their options and comments. */
export function withoutKeys(lines: readonly string[], unwanted: readonly string[]): string[] {
  const keys = new Set(unwanted.map((line) => parseKey(line)?.key));
  return lines.filter((line) => {
    const found = parseKey(line);
    return found === undefined || !keys.has(found.key);
  });
}

/** The lines of each key, without repetitions. */
function byKey(lines: readonly string[]): Map<string, string[]> {
  const keys = new Map<string, string[]>();
  for (const line of lines) {
    const { key = "", options } = parseKey(line) ?? {};
    const own = keys.get(key) ?? [];
    if (!own.some((each) => parseKey(each)?.options === options)) own.push(line);
    keys.set(key, own);
  }
  return keys;
}
