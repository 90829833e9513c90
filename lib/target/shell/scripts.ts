/**
 * The questions that `ShellTarget` asks, and how it stores flags, for POSIX sh with the stat of GNU, busybox or BSD. Each
 * text expects its arguments as shell words. Exit codes above 40 are answers.
 */

import { OUTPUT_LIMIT, TOO_LARGE } from "../command-output";

/** Exit code of a question: the path does not exist. */
export const ABSENT = 44;
/** Exit code of a question: the path exists, but has another type. */
export const OTHER = 45;

/** What stat(1) prints of a file: that of GNU and of busybox, and that of BSD. */
const GNU = "%f %u %g %s %Y %d:%i";
const BSD = "%Xp %u %g %z %m %d:%i";

/** Defines a function that prints the stat of a file. */
export const SHOWN = `shown() { stat $1 -c "${GNU}" "$2" 2>/dev/null || stat $1 -f "${BSD}" "$2"; }
`;

/**
 * Precedes every question: sets the locale and defines a few functions. `where` prints its argument and NUL if no link
 * leads there, else only NUL.
 */
export const PRELUDE = `LC_ALL=C; export LC_ALL
${SHOWN}line() { line=$(stat $1 -c "${GNU}" "$2" 2>/dev/null) || line=$(stat $1 -f "${BSD}" "$2"); }
where() {
  d=\${1%/*}
  case $1/ in *//*|*/./*|*/../*) printf '\\0'; return;; esac
  while [ -n "$d" ] && [ ! -e "$d" ] && [ ! -L "$d" ]; do d=\${d%/*}; done
  [ ! -L "$1" ] && cd -P "$d/" 2>/dev/null && [ "\${PWD%/}" = "$d" ] && printf %s "$1"
  printf '\\0'
}
absent() {
  [ ! -L "$1" ] || exit ${ABSENT}
  said=$(ls -d "$1" 2>&1 >/dev/null)
  case $said in ""|*"No such file"*|*"Not a directory"*|*"oo many"*) exit ${ABSENT};; *) printf "%s\\n" "$said"; exit 1;; esac
}
`;

export const stat = (path: string): string =>
  `p=${path}; if [ -e "$p" ]; then shown -L "$p"; else absent "$p"; fi`;

export const lstat = (path: string): string =>
  `p=${path}; if [ -e "$p" ] || [ -L "$p" ]; then shown "" "$p"; else absent "$p"; fi`;

export const readLink = (path: string): string =>
  `p=${path}; if [ -L "$p" ]; then readlink "$p"; elif [ -e "$p" ]; then exit ${OTHER}; else absent "$p"; fi`;

export const realPath = (path: string): string =>
  `p=${path}; if [ -e "$p" ]; then readlink -f "$p"; else absent "$p"; fi`;

/** Names, each terminated by NUL. */
export const list = (path: string): string => `p=${path}
if [ -d "$p" ]; then
  [ -r "$p" ] || { echo "ls: Permission denied"; exit 1; }
  cd "$p" || exit 1
  for name in * .[!.]* ..?*; do if [ -e "$name" ] || [ -L "$name" ]; then printf "%s\\0" "$name"; fi; done
elif [ -e "$p" ]; then exit ${OTHER}; else absent "$p"; fi`;

/** The line of `stat`, then the bytes of the file. */
export const look = (path: string): string =>
  looking(
    path,
    `set -- $line; if [ "$4" -gt ${OUTPUT_LIMIT} ]; then echo "${TOO_LARGE}"; exit 1; fi; cat "$p"`,
  );

/**
 * The line of `stat`, then the bytes of the file if it has at most `most`. A larger one of the `wanted` size gives its
 * SHA-256 instead, or its bytes where the host has no tool for that.
 */
export const compare = (path: string, wanted: number, most: number): string => {
  const digest = `${DIGEST} || cat "$p"`;
  return looking(
    path,
    `set -- $line; if [ "$4" -le ${most} ]; then cat "$p"; elif [ "$4" -eq ${wanted} ]; then ${digest}; fi`,
  );
};

const DIGEST = `sum=$({ sha256sum || shasum -a 256 || sha256 -q; } <"$p" 2>/dev/null) && printf %s "\${sum%% *}"`;

/** The SHA-256 of the file; nothing where the host has no tool for that. */
export const digest = (path: string): string => `p=${path}\n${DIGEST} || :`;

const looking = (path: string, read: string): string => `p=${path}
if [ -f "$p" ]; then line -L "$p" && printf "%s\\n" "$line" && { ${read}; }
elif [ -d "$p" ]; then echo "it is a directory"; exit 1
elif [ -e "$p" ]; then echo "it is not a regular file"; exit 1
else absent "$p"; fi`;

/** cmp prints nothing for files that differ, and reports those it cannot read. */
export const sameContent = (one: string, other: string): string =>
  `[ -f ${one} ] && [ -f ${other} ] || exit ${OTHER}; cmp -s ${one} ${other} && exit; [ $? -eq 1 ] && exit ${OTHER}; cmp ${one} ${other}; exit 1`;

/** The one line of \`database\` for \`key\`, or the whole of its file where there is no getent. */
export const account = (database: "passwd" | "group", key: string): string =>
  `getent ${database} ${key} 2>/dev/null; case $? in 0) ;; 2) exit ${ABSENT};; *) cat /etc/${database};; esac`;

export const identity = `id -u && id -g && { id -un 2>/dev/null || id -u; } && printf "%s\\n" "\${HOME%/}"`;

/** The directory for temporary files. */
export const temporaryPlace = `case $TMPDIR in /*) printf %s "$TMPDIR";; *) printf /tmp;; esac`;

const flags = `case $XDG_STATE_HOME in /*) d=$XDG_STATE_HOME;; *) d=$HOME/.local/state;; esac; d=$d/consfigurator/pending`;

/** The names of the flags, one per line. */
export const listFlags = `${flags}
[ -d "$d" ] || exit 0
cd "$d" || exit 1
for name in *; do [ ! -f "$name" ] || printf "%s\\n" "$name"; done`;

/** Writes a flag with the text from standard input. */
export const setFlag = (name: string, unique: string): string => `LC_ALL=C; export LC_ALL; ${flags}
umask 077
mkdir -p "$d" && { : >"$d/.${unique}" || mkdir -p "$d"; } 2>/dev/null && cat >"$d/.${unique}" && mv -f "$d/.${unique}" "$d"/${name} || { rm -f "$d/.${unique}"; exit 1; }
${flagPlace(name)}`;

export const clearFlag = (name: string, tidy: boolean): string => `LC_ALL=C; export LC_ALL; ${flags}
rm -f "$d"/${name} || exit 1
${flagPlace(name)}${tidy ? `\n${tidyFlags}` : ""}`;

/** Removes the directories of flags that are empty, but none that the user has named. */
const tidyFlags = `rmdir "$d" "\${d%/*}" 2>/dev/null || exit 0
case $XDG_STATE_HOME in /*) ;; *) rmdir "\${d%/*/*}" "\${d%/*/*/*}" 2>/dev/null;; esac
exit 0`;

/** As the scripts of acts print what they have changed. */
const flagPlace = (name: string): string =>
  `! at=$(cd -P "$d" 2>/dev/null && pwd -P) || printf '\\0%s\\0' "$at"/${name}`;
