/** Quotes `word` as a single word for a POSIX shell. A word that needs no quotes is returned as it is. */
export const shellQuote = (word: string): string =>
  /^[A-Za-z0-9%+,\-./:=@_]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** Quotes `words` as one command for a POSIX shell. */
export const shellWords = (words: readonly string[]): string => words.map(shellQuote).join(" ");
