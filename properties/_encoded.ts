/**
 * `text` as the name of a file that cron and run-parts look at: letters and digits stay, all else becomes its code point
 * in hexadecimal between two "_". A dot, which could stay anywhere else, would make them pass the file over.
 */
export const encodedName = (text: string): string =>
  [...text]
    .map((char) => (/[A-Za-z0-9]/.test(char) ? char : `_${char.codePointAt(0)?.toString(16).toUpperCase()}_`))
    .join("");
