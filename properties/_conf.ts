/** Settings files with one `key value` per line, in five styles. Pure: lines in, lines out. */

/** The syntax of a settings file. */
export interface ConfStyle {
  /** Matches a setting, without its comment marker: key, then value. */
  readonly setting: RegExp;
  /** `key` and `value` as a line. */
  render(key: string, value: string): string;
  /** `value` as it is written in the file. */
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
 * `lines` with each of `pairs` set. The first line of a key becomes the active one, even if it was commented out, so
 * that a value stays next to its documentation; later active lines are commented out. A key is left alone if its only
 * active line already has the value, and so are all other keys. New keys are appended.
 */
export function withSettings(lines: readonly string[], style: ConfStyle, pairs: readonly Pair[]): string[] {
  const result = [...lines];
  for (const [key, value] of lastWins(pairs)) {
    const found = result.flatMap((line, at) => {
      const setting = parse(line, style);
      return setting?.key === key && canActivate(setting, value, style) ? [{ ...setting, at }] : [];
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

/** Keeps the last of several values for a key, at the position of the first. */
export const lastWins = (pairs: readonly Pair[]): Pair[] => [...new Map(pairs)];

interface ConfSetting extends Setting {
  /** The key follows the comment marker directly. */
  readonly attached: boolean;
}

function parse(line: string, { setting }: ConfStyle): ConfSetting | undefined {
  const marker = /^#+\s*/.exec(line)?.[0] ?? "";
  const match = setting.exec(line.slice(marker.length));
  if (!match) return undefined;
  const [, key = "", value = ""] = match;
  return { key, value: value.trim(), commented: marker !== "", attached: !/\s$/.test(marker) };
}

/** Whether this line may become the active one: a sentence that starts with the key may not. */
function canActivate({ commented, attached, value }: ConfSetting, wanted: string, style: ConfStyle): boolean {
  if (!commented || !style.looksLikeProse || attached) return true;
  return wordsIn(value) === wordsIn(wanted);
}

const wordsIn = (text: string): number => text.trim().split(/\s+/).length;

/** Values read from the file are already quoted. */
const unquotedRender = (style: ConfStyle, key: string, value: string): string =>
  style === shell ? `${key}=${value}` : style.render(key, value);

/** `value` as one shell word, as in /etc/default: bare if possible, else in double quotes. */
const doubleQuoted = (value: string): string =>
  /^[\p{L}0-9%+,\-./:=@_]+$/u.test(value) ? value : `"${value.replace(/["$`\\]/g, "\\$&")}"`;
