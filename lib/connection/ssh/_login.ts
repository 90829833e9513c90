/**
 * `command` as one `sh -c` that any login shell hands on unharmed: sshd gives a command to the user's login shell,
 * which may be csh or fish. `frame` puts more around the shell text that runs it.
 */
export function loginCommand(command: string, frame = (run: string) => `exec ${run}`): string {
  // csh allows no newline in quotes: printf's %b brings them back.
  return command.includes("\n")
    ? `sh -c ${literal(frame('sh -c "$(printf %b "$1")"'))} sh ${literal(onOneLine(command))}`
    : `sh -c ${literal(frame('sh -c "$1"'))} sh ${literal(command)}`;
}

/**
 * One word in every shell: csh expands `!` also in quotes, and fish reads backslashes in them, so that these and the
 * quote itself stand outside, each behind a backslash.
 */
const literal = (word: string): string => `'${word.replace(/['\\!]/g, (sign) => `'\\${sign}'`)}'`;

const onOneLine = (command: string): string => command.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
