/** How systemd reads the values of a unit's settings; see systemd.unit(5), systemd.syntax(7) and systemd.service(5). */

/** A percent sign starts a specifier. */
export const unitText = (text: string): string => text.replaceAll("%", "%%");

/** One word of a setting that is split into words, such as Environment=. */
export const unitWord = (text: string): string =>
  `"${unitText(text).replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;

/** One word of ExecStart=, where a dollar sign starts a variable. */
export const execWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? unitText(text) : unitWord(text.replaceAll("$", "$$$$"));
