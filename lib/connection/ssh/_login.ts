/**
 * Quotes `command` as one `sh -c` that every login shell passes on unchanged: sshd gives commands to the user's login
 * shell, which may be csh or fish. `frame` adds shell text around the text that runs it.
 */
export function loginCommand(command: string, frame = (run: string) => `exec ${run}`): string {
  // csh allows no newline in quotes: printf's %b brings them back.
  return command.includes("\n")
    ? `sh -c ${literal(frame('sh -c "$(printf %b "$1")"'))} sh ${literal(onOneLine(command))}`
    : `sh -c ${literal(frame('sh -c "$1"'))} sh ${literal(command)}`;
}

/**
 * Quotes one word for every shell: csh expands `!` even inside quotes, and fish interprets backslashes there, so these and
 * the quote itself are placed outside the quotes, each after a backslash.
 */
const literal = (word: string): string => `'${word.replace(/['\\!]/g, (sign) => `'\\${sign}'`)}'`;

const onOneLine = (command: string): string => command.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
