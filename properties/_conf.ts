/** Settings files with one `key value` a line, in the five manners that there are. Pure: lines in, lines out. */

/** How settings are written. */
export interface ConfStyle {
  /** Matches a setting, without its comment marker: key, then value. */
  readonly setting: RegExp;
  /** `key` and `value` as a line. */
  render(key: string, value: string): string;
  /** The value as it stands in the file. */
  quote(value: string): string;
  /** True: any comment of two words looks like a setting. */
  readonly looksLikeProse: boolean;
}

export type Pair = readonly [key: string, value: string];

export const space: ConfStyle = {
  setting: /^(\S+)\s+(.+)/,
  render: (key, value) => `${key} ${value}`,
  quote: (value) => value,
  looksLikeProse: true,
};
export const tab: ConfStyle = { ...space, render: (key, value) => `${key}\t${value}` };
export const equals: ConfStyle = {
  setting: /^([^\s=]+)\s*=\s*(.*)/,
  render: (key, value) => `${key} = ${value}`,
  quote: (value) => value,
  looksLikeProse: false,
};
export const unspaced: ConfStyle = {
  ...equals,
  setting: /^([^\s=]+)=(.*)/,
  render: (key, value) => `${key}=${value}`,
};
export const shell: ConfStyle = {
  ...equals,
  render: (key, value) => `${key}=${doubleQuoted(value)}`,
  quote: (value) => doubleQuoted(value),
};

/**
 * `lines` with each of `pairs` set. Of the lines of a key the first becomes the active one, also when it was commented
 * out, so that a value stays beside its documentation; later active ones are commented out. A key whose one active
 * line has the value already is left as it is, and so is every line of any other key. New keys go to the end.
 */
export function withSettings(lines: readonly string[], style: ConfStyle, pairs: readonly Pair[]): string[] {
  const result = [...lines];
  for (const [key, value] of lastWins(pairs)) {
    const found = result.flatMap((line, at) => {
      const setting = parse(line, style);
      return setting?.key === key && mayBecome(setting, value, style) ? [{ ...setting, at }] : [];
    });
    const rendered = style.render(key, value);
    if (found.length === 0) result.push(rendered);
    else if (!holds(found, style.quote(value))) {
      for (const [index, { at, commented, value: own }] of found.entries()) {
        if (index === 0) result[at] = rendered;
        else if (!commented) result[at] = `# ${unquotedRender(style, key, own)}`;
      }
    }
  }
  return result;
}

/** One setting in a file. */
export interface Setting {
  readonly key: string;
  readonly value: string;
  readonly commented: boolean;
}

/** Whether exactly one of `settings` is active, and has the value `wanted`. */
export function holds(settings: readonly Setting[], wanted: string): boolean {
  const active = settings.filter(({ commented }) => !commented);
  return active.length === 1 && active[0]?.value === wanted.trim();
}

/** Of several values for one key the last, at the place of the first. */
export const lastWins = (pairs: readonly Pair[]): Pair[] => [...new Map(pairs)];

interface ConfSetting extends Setting {
  /** Nothing stands between the comment marker and the key. */
  readonly attached: boolean;
}

function parse(line: string, { setting }: ConfStyle): ConfSetting | undefined {
  const marker = /^#+\s*/.exec(line)?.[0] ?? "";
  const match = setting.exec(line.slice(marker.length));
  if (!match) return undefined;
  const [, key = "", value = ""] = match;
  return { key, value: value.trim(), commented: marker !== "", attached: !/\s$/.test(marker) };
}

/** Whether that line may become the active one: a sentence that begins with the key's name may not. */
function mayBecome({ commented, attached, value }: ConfSetting, wanted: string, style: ConfStyle): boolean {
  if (!commented || !style.looksLikeProse || attached) return true;
  return wordsIn(value) === wordsIn(wanted);
}

const wordsIn = (text: string): number => text.trim().split(/\s+/).length;

/** A value that was read from the file is quoted already. */
const unquotedRender = (style: ConfStyle, key: string, value: string): string =>
  style === shell ? `${key}=${value}` : style.render(key, value);

/** `value` as one word of shell, in the manner of /etc/default: bare where that can be, else in double quotes. */
const doubleQuoted = (value: string): string =>
  /^[\p{L}0-9%+,\-./:=@_]+$/u.test(value) ? value : `"${value.replace(/["$`\\]/g, "\\$&")}"`;
