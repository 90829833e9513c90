/** `word` as one word of POSIX shell. What needs no quotes gets none. */
export const shellQuote = (word: string): string =>
  /^[A-Za-z0-9%+,\-./:=@_]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** `words` as a command of POSIX shell. */
export const shellWords = (words: readonly string[]): string => words.map(shellQuote).join(" ");
