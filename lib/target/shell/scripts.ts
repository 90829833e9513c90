/**
 * What `ShellTarget` runs, for POSIX sh with the stat of GNU, busybox or BSD. Each text expects its arguments as
 * shell words. Exit codes above 40 are answers.
 */

/** Exit code of a question: there is nothing of that name. */
export const ABSENT = 44;
/** Exit code of a question: there is something, but of another type than asked about. */
export const OTHER = 45;

/** Stands before every question: tools speak English, and a few words are defined. */
export const PRELUDE = `LC_ALL=C; export LC_ALL
shown() { stat $1 -c "%f %u %g %s %Y %d:%i" "$2" 2>/dev/null || stat $1 -f "%Xp %u %g %z %m %d:%i" "$2"; }
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

/** Names, each ended by a NUL. */
export const list = (path: string): string => `p=${path}
if [ -d "$p" ]; then
  [ -r "$p" ] || { echo "ls: Permission denied"; exit 1; }
  cd "$p" || exit 1
  for name in * .[!.]* ..?*; do if [ -e "$name" ] || [ -L "$name" ]; then printf "%s\\0" "$name"; fi; done
elif [ -e "$p" ]; then exit ${OTHER}; else absent "$p"; fi`;

/**
 * The line of `stat`, then the bytes of the file, if its size is the one given; with `digest` rather its SHA-256, where
 * there is a tool for that.
 */
export const look = (path: string, ifSize?: number, digest = false): string => {
  const bytes = digest
    ? `sum=$({ sha256sum || shasum -a 256 || sha256 -q; } <"$p" 2>/dev/null) && printf %s "\${sum%% *}" || cat "$p"`
    : `cat "$p"`;
  const read = ifSize === undefined ? bytes : `set -- $line; if [ "$4" -eq ${ifSize} ]; then ${bytes}; fi`;
  return `p=${path}
if [ -f "$p" ]; then line=$(shown -L "$p") && printf "%s\\n" "$line" && { ${read}; }
elif [ -d "$p" ]; then echo "it is a directory"; exit 1
elif [ -e "$p" ]; then echo "it is no regular file"; exit 1
else absent "$p"; fi`;
};

/** cmp is quiet about files that differ, and says what it cannot read. */
export const sameContent = (one: string, other: string): string =>
  `[ -f ${one} ] && [ -f ${other} ] || exit ${OTHER}; cmp -s ${one} ${other} && exit; [ $? -eq 1 ] && exit ${OTHER}; cmp ${one} ${other}; exit 1`;

/** The one line of \`database\` for \`key\`, or the whole of its file where there is no getent. */
export const account = (database: "passwd" | "group", key: string): string =>
  `getent ${database} ${key} 2>/dev/null; case $? in 0) ;; 2) exit ${ABSENT};; *) cat /etc/${database};; esac`;

export const identity = `id -u && id -g && { id -un 2>/dev/null || id -u; } && printf "%s\\n" "\${HOME%/}"`;

/** How \`put\` below is done. All but numbers are shell words. */
interface Put {
  readonly path: string;
  /** A part of a file name that nobody can guess. */
  readonly unique: string;
  readonly size: number;
  readonly mode: string | undefined;
  readonly parents: boolean;
}

/**
 * Replaces the file by what comes on standard input, in one step. The size is compared before the rename: a link that
 * is cut looks like the end of the input. A mount point cannot be replaced: it is overwritten.
 */
export const put = ({ path, unique, size, mode, parents }: Put): string => `LC_ALL=C; export LC_ALL
fail() { echo "$1" >&2; exit 1; }
t=${path}; followed=0
while [ -L "$t" ]; do
  followed=$((followed + 1)); [ $followed -le 40 ] || fail "too many levels of symbolic links"
  to=$(readlink "$t") || exit 1
  case $to in /*) t=$to;; *) t=\${t%/*}/$to;; esac
done
[ ! -d "$t" ] || fail "it is a directory"
[ ! -e "$t" ] || [ -f "$t" ] || fail "it is no regular file"
d=\${t%/*}; d=\${d:-/}
${parents ? `[ -d "$d" ] || { umask 022; mkdir -p "$d" || exit 1; }` : ""}
n=\${t##*/}; new=$d/.$(printf %.100s "$n").${unique}
umask 077
trap 'rm -f "$new"' EXIT; trap 'exit 129' HUP INT TERM
set -C; : > "$new" || exit 1; set +C
cat > "$new" || exit 1
[ "$(($(wc -c < "$new")))" -eq ${size} ] || fail "the content did not arrive whole"
if [ -e "$t" ]; then
  cp --attributes-only --preserve=all --no-preserve=timestamps,links -- "$t" "$new" 2>/dev/null || {
    set -- $(stat -c "%a %u %g" "$t" 2>/dev/null || stat -f "%Mp%Lp %u %g" "$t")
    if chown "$2:$3" "$new" 2>/dev/null; then chmod "0$1" "$new"; else chmod "$(printf %o $((0$1 & 01777)))" "$new"; fi
  } || exit 1
  ${mode === undefined ? "" : `chmod ${mode} "$new" || exit 1`}
else
  chmod ${mode ?? "0644"} "$new" || exit 1
fi
sync "$new" 2>/dev/null
said=$(mv -f "$new" "$t" 2>&1) || case $said in
  *" busy"*) cat "$new" > "$t" && rm -f "$new"${mode === undefined ? "" : ` && chmod ${mode} "$t"`} || exit 1;;
  *) fail "$said";;
esac
trap - EXIT
sync "$d" 2>/dev/null
exit 0`;

/** Makes the directory and its parents, of which only the last gets \`mode\`. */
export const makeDirectory = (path: string, mode: string | undefined): string =>
  `p=${path}; umask 022; mkdir -p "$p"${mode === undefined ? "" : ` && chmod ${mode} "$p"`}`;

/** Removes what is in the directory, in the words of POSIX find. */
export const empty = (path: string): string => `cd ${path} && find . ! -name . -prune -exec rm -rf -- {} +`;

/** Where temporary files are kept. */
export const temporaryPlace = `case $TMPDIR in /*) printf %s "$TMPDIR";; *) printf /tmp;; esac`;

/** Makes a file of mode 0600 of what comes on standard input. A default ACL would overrule the umask. */
export const privateFile = (path: string, size: number): string => `p=${path}; umask 077; set -C
: > "$p" && chmod 600 "$p" || exit 1
set +C; cat > "$p" || exit 1
[ "$(($(wc -c < "$p")))" -eq ${size} ] || { echo "the content did not arrive whole" >&2; exit 1; }`;

/** Puts the link in place in one step where mv can be kept from following the link that is there. */
export const symlink = (path: string, to: string, unique: string): string => `p=${path}; to=${to}
new=\${p%/*}/.$(printf %.100s "\${p##*/}").${unique}
ln -s -- "$to" "$new" || exit 1
mv -fT "$new" "$p" 2>/dev/null || { rm -f "$p" && mv -f "$new" "$p"; } || { rm -f "$new"; exit 1; }`;

/** Renames; a directory that is in the way is refused, never moved into. */
export const rename = (from: string, to: string): string =>
  `from=${from}; to=${to}; mv -fT "$from" "$to" 2>/dev/null || { [ ! -d "$to" ] || { echo "mv: Directory not empty" >&2; exit 1; }; mv -f "$from" "$to"; }`;

const marks = `case $XDG_STATE_HOME in /*) d=$XDG_STATE_HOME;; *) d=$HOME/.local/state;; esac; d=$d/consfigurator/pending`;

/** Names of the marks, one a line. */
export const listMarks = `${marks}
[ -d "$d" ] || exit 0
cd "$d" || exit 1
for name in *; do [ ! -f "$name" ] || printf "%s\\n" "$name"; done`;

/** Writes a mark, with the text that comes on standard input. */
export const setMark = (name: string, unique: string): string => `${marks}
umask 077
mkdir -p "$d" && cat >"$d/.${unique}" && mv -f "$d/.${unique}" "$d"/${name} || { rm -f "$d/.${unique}"; exit 1; }`;

export const clearMark = (name: string): string => `${marks}; rm -f "$d"/${name}`;
