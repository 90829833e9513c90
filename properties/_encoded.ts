/**
 * `text` as a file name that cron and run-parts accept: letters and digits stay, any other character becomes its
 * hexadecimal code point between two "_". They ignore names with a dot.
 */
export const encodedName = (text: string): string =>
  [...text]
    .map((char) => (/[A-Za-z0-9]/.test(char) ? char : `_${char.codePointAt(0)?.toString(16).toUpperCase()}_`))
    .join("");
