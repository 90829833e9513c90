/** Files of stanzas with fields, as in deb822(5): apt's `.sources`. */

/** The fields of a stanza in order. A value of several lines has a newline before each further one. */
export type Stanza = readonly (readonly [name: string, value: string])[];

/** The stanzas of `text`, without its comments. Lines that are part of no field are passed over. */
export function parseStanzas(text: string): Stanza[] {
  const stanzas: [name: string, value: string][][] = [[]];
  for (const line of text.split(/\r?\n/)) {
    const stanza = stanzas.at(-1) ?? [];
    const [, name, value = ""] = /^([^\s:#-][^\s:]*):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    const last = stanza.at(-1);
    if (/^\s*$/.test(line)) stanzas.push([]);
    else if (line.startsWith("#")) continue;
    else if (name !== undefined) stanza.push([name, value]);
    else if (last && /^[ \t]/.test(line)) last[1] += `\n${line.trim()}`;
  }
  return stanzas.filter((stanza) => stanza.length > 0);
}

/** `stanzas` as text, each after an empty line but the first. */
export const printStanzas = (stanzas: readonly Stanza[]): string =>
  stanzas.map((stanza) => stanza.map((field) => `${printField(field)}\n`).join("")).join("\n");

const printField = ([name, value]: Stanza[number]): string => {
  const [first = "", ...more] = value.split("\n");
  // An empty line would end the stanza.
  const rest = more.map((line) => `\n ${line === "" ? "." : line}`).join("");
  return `${name}:${first === "" ? "" : ` ${first}`}${rest}`;
};

/** The value of the field `name`, whose case does not matter; undefined when there is none. */
export const fieldOf = (stanza: Stanza, name: string): string | undefined =>
  stanza.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1];

/** The words of the field `name`. */
export const wordsOf = (stanza: Stanza, name: string): string[] =>
  (fieldOf(stanza, name) ?? "").split(/\s+/).filter(Boolean);

/** `words` as a value: on one line if it is short, else one word a line. */
export function words(words: readonly string[]): string {
  const width = words.reduce((sum, word) => sum + word.length + 1, 0);
  return width > 63 ? ["", ...words].join("\n") : words.join(" ");
}
