import { FORGET, RECORD } from "../../util/temporary-records";
import { SHOWN } from "./scripts";
import type { Changed } from "./turn";

/**
 * The scripts with which `ShellTarget` changes files, for POSIX sh with the tools of GNU, busybox or BSD. Each text expects
 * its arguments as shell words.
 *
 * Root acts on what it opened. A script enters the directory, so that names in it stay in it even if its path is replaced. If
 * other users can write to that directory, it also opens the file, checks that the open file is the one with that name, and
 * acts on `/proc/self/fd/N`. Links that another user can have created are refused.
 */

/** What a script has changed, from what it has printed: `place` prints it, if nothing else was. */
export function changedIn(printed: Buffer): Changed {
  const place = PLACE.exec(printed.toString("latin1"))?.[1];
  return place === undefined ? undefined : { place: Buffer.from(place, "latin1").toString("utf8") };
}

/** What a script has printed besides. */
export const partIn = (printed: Buffer): Buffer =>
  printed.subarray(0, PLACE.exec(printed.toString("latin1"))?.index);

/** Without a place, something else was changed, too. */
const PLACE = /\0(\/[^\0]*)?\0$/;

/** A pattern for the unique part of a temporary file: writers who were killed have left one. */
const HEX_18 = "[0-9a-f]".repeat(18);
/** A temporary file that has not changed for so many minutes has no writer any more. */
const LEFT_MINUTES = 10;

/** Shell functions that every act begins with. Globals: `me`, the working directory, `b` (a name in it), `w` (that as a path). */
const PRELUDE = `LC_ALL=C; export LC_ALL
fail() { echo "$1" >&2; exit 1; }
facts() { stat $1 -c "%f %u %g %h %d:%i %s" "$2" 2>/dev/null || stat $1 -f "%Xp %u %g %l %d:%i %z" "$2"; }
field() { eval "echo \\\${$(($1 + 1))}"; }
me=$(id -u); parents=
changed() { fail "$(pwd -P)/$b was changed by someone else in the meantime; deploy again"; }
trusted() { [ "$me" = 0 ] || return 0; set -- $(facts "" .); [ "$2" = 0 ] && [ $((0x$1 & 022)) -eq 0 ]; }
sticky() { set -- $(facts "" .); [ "$2" = 0 ] && [ $((0x$1 & 01000)) -ne 0 ]; }
owner() { set -- "$(field 2 $(facts "" "$1"))"; n=$(getent passwd "$1" 2>/dev/null); [ -n "$n" ] && echo "the user \${n%%:*}" || echo "uid $1"; }
allow() {
  [ "$me" = 0 ] || return 0
  link="$(pwd -P)/\${1#./}"; help="root does not follow it; give the path that it leads to, or apply this as that user with as(…)"
  [ "$(field 2 $(facts "" "$1"))" = 0 ] || fail "the link $link belongs to $(owner "$1"); $help"
  trusted || sticky || fail "the link $link is in a directory that other users can write to; $help"
}
enter() {
  at=$(pwd -P)
  if ! cd -P "./$1" 2>/dev/null; then
    [ -e "./$1" ] || [ -L "./$1" ] || fail "No such file or directory"
    [ -d "./$1" ] || fail "Not a directory"
    fail "Permission denied"
  fi
  [ "$1" = .. ] || [ "$(pwd -P)" = "\${at%/}/$1" ] || fail "$at/$1 was changed by someone else in the meantime; deploy again"
}
walk() {
  rest=$1; links=0
  case $1 in /*) cd -P /;; esac
  while [ -n "$rest" ]; do
    c=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/};; *) rest=;; esac
    case $c in ""|.) continue;; esac
    if [ -L "./$c" ]; then
      links=$((links + 1)); [ $links -le 40 ] || fail "too many levels of symbolic links"
      allow "./$c"; to=$(readlink "./$c") || exit 1
      case $to in /*) cd -P /;; esac
      rest=$to/$rest; continue
    fi
    [ -z "$parents" ] || [ -e "./$c" ] || (umask 022; mkdir "./$c") || exit 1
    enter "$c"
  done
}
pin() { cd -P -- "$1" 2>/dev/null && [ "$(pwd -P)" = "$1" ] || walk "$1"; }
split() { d=\${1%/*}; b=\${1##*/}; pin "\${d:-/}"; w=./$b; }
follow() {
  split "$1"; hops=0
  while [ -L "$w" ]; do
    hops=$((hops + 1)); [ $hops -le 40 ] || fail "too many levels of symbolic links"
    allow "$w"; to=$(readlink "$w") || exit 1
    case $to in /*) split "$to";; *) split "$(pwd -P)/$to";; esac
  done
}
bind() {
  trusted && return
  [ -e /proc/self/fd ] || return 0
  [ -f "./$b" ] || [ -d "./$b" ] || fail "it is neither a file nor a directory, and other users can write to its directory"
  exec 4<"./$b" || exit 1
  set -- "$(facts -L /proc/self/fd/4)" "$(facts "" "./$b")"
  [ "$1" = "$2" ] || changed
  [ -d /proc/self/fd/4 ] || [ "$(field 4 $2)" = 1 ] || fail "$(pwd -P)/$b has further names (hard links), and other users can write to its directory"
  w=/proc/self/fd/4
}
create() {
  n=./.$(printf %.100s "$b"); umask 077
  for left in "$n".${HEX_18}; do
    [ ! -f "$left" ] || [ -L "$left" ] || [ ! -O "$left" ] || find "$left" -prune -mmin +${LEFT_MINUTES} -exec rm -f {} +
  done
  n=$n.$1
  trap 'rm -f "$n"' EXIT; trap 'exit 129' HUP INT TERM
  set -C; exec 3>"$n" || exit 1; set +C
  new=$n; [ ! -e /proc/self/fd/3 ] || new=/proc/self/fd/3
}
replace() {
  if trusted; then mv -f "$n" "./$b" || return; else mv -fT "$n" "./$b" || return; fi
  trap - EXIT
  [ "$new" = "$n" ] || trusted || [ "$(field 5 $(facts -L "$new"))" = "$(field 5 $(facts "" "./$b"))" ] || changed
}
place() { at=$(pwd -P); printf '\\0%s\\0' "\${at%/}/$b"; }
single() { [ -d "./$b" ] || [ "$(field 4 $(facts "" "./$b"))" = 1 ]; }
hasBusybox() { rm --help 2>&1 | grep -qi busybox; }
prune() {
  if [ -L "./$1" ] || [ ! -d "./$1" ]; then rm -f "./$1"; return; fi
  ( enter "$1" && rm -f ./* ./.[!.]* ./..?* 2>/dev/null
    for n in * .[!.]* ..?*; do [ ! -e "./$n" ] && [ ! -L "./$n" ] || prune "$n" || exit 1; done ) && rmdir "./$1"
}
`;

/** How `put` below replaces a file. All but numbers are shell words. */
interface Put {
  readonly path: string;
  /** An unguessable part of a file name. */
  readonly unique: string;
  readonly size: number;
  readonly mode: string | undefined;
  readonly parents: boolean;
  /** The `id` that the replaced file must have; null if there must be none. */
  readonly expected: string | null | undefined;
  /** How many bytes a file that is replaced may have to be printed, after the line of its stat. Undefined: not even that. */
  readonly shows: number | undefined;
}

/**
 * Replaces the file with standard input, atomically. The size is checked before the rename, because a lost link looks like
 * the end of the input. A mount point cannot be replaced: it is overwritten.
 */
export const put = ({ path, unique, size, mode, parents, expected, shows }: Put): string => `${PRELUDE}
parents=${parents ? 1 : ""}
follow ${path}
[ ! -d "$w" ] || fail "it is a directory"
[ ! -e "$w" ] || [ -f "$w" ] || fail "it is not a regular file"
old=; if [ -e "$w" ]; then bind; old=$w; fi
${expected === undefined ? "" : `[ "$([ -z "$old" ] || field 5 $(facts -L "$old"))" = "${expected ?? ""}" ] || changed`}
${shows === undefined ? "" : `${SHOWN}if [ -n "$old" ]; then line=$(shown -L "$old"); set -- $line; echo "$line"; [ "$4" -gt ${shows} ] || cat "$old" 2>/dev/null; fi`}
create ${unique}
cat >&3 || exit 1
[ "$(($(wc -c < "$new")))" -eq ${size} ] || fail "the content did not arrive whole"
if [ -n "$old" ]; then
  set -- $(facts -L "$old"); bits=$((0x$1 & 07777)); kept=$bits
  trusted || kept=$((bits & 01777))
  if cp --attributes-only --preserve=all --no-preserve=timestamps,links -- "$old" "$new" 2>/dev/null; then
    [ $kept -eq $bits ] || chmod "$(printf %05o $kept)" "$new" || exit 1
  else
    chown "$2:$3" "$new" 2>/dev/null || kept=$((kept & 01777))
    chmod "$(printf %05o $kept)" "$new" || exit 1
  fi
  ${mode === undefined ? "" : `chmod ${mode} "$new" || exit 1`}
else
  chmod ${mode ?? "0644"} "$new" || exit 1
fi
sync "$new" 2>/dev/null
said=$(replace 2>&1) || case $said in
  *" busy"*) cat "$new" > "\${old:?}" && rm -f "$n"${mode === undefined ? "" : ` && chmod ${mode} "$old"`} && b= || exit 1;;
  *) rm -f "$n"; fail "$said";;
esac
trap - EXIT
sync . 2>/dev/null
if [ -n "$b" ]; then place; else printf '\\0\\0'; fi`;

/** Creates the directory and its parents; only the last gets `mode`. */
export const makeDirectory = (path: string, mode: string | undefined): string => `${PRELUDE}
parents=1; follow ${path}
(umask 022; mkdir "./$b") || exit 1
${mode === undefined ? "" : `[ ! -L "./$b" ] || changed; bind; chmod ${mode} "$w" || exit 1`}
place`;

export const setMode = (path: string, mode: string): string => `${PRELUDE}
follow ${path}; bind; chmod ${mode} "$w" && { ! single || place; }`;

/** Does not follow a link. */
export const setOwner = (path: string, owner: string): string => `${PRELUDE}
split ${path}
if [ -L "$w" ]; then
  trusted || fail "it is a link, and other users can write to its directory; use via.agent()"
  chown -h ${owner} "$w"
else bind; chown ${owner} "$w" && { ! single || place; }; fi`;

export const unlink = (path: string): string => `${PRELUDE}
split ${path}; rm -f "$w" && place`;

export const removeTree = (path: string): string => `${PRELUDE}
split ${path}; ${PRUNE} else rm -rf "$w"; fi`;

/** The rm of busybox follows a directory that was replaced by a link; that of GNU and of BSD do not. */
const PRUNE = `if ! trusted && hasBusybox; then prune "$b";`;

export const removeEmptyDirectory = (path: string): string => `${PRELUDE}
split ${path}; rmdir "$w" && place`;

/** Removes everything in the directory, with POSIX find. */
export const clear = (path: string): string => `${PRELUDE}
pin ${path}
if ! trusted && hasBusybox; then
  for n in * .[!.]* ..?*; do [ ! -e "./$n" ] && [ ! -L "./$n" ] || prune "$n" || exit 1; done
else find . ! -name . -prune -exec rm -rf -- {} +; fi`;

/** Creates a file of mode 0600 with standard input. A default ACL would override the umask. */
export const privateFile = (path: string, size: number): string => `${PRELUDE}
split ${path}; ${refuseReplaceable}
${RECORD}
umask 077; set -C; exec 3>"$w" || exit 1; set +C; chmod 600 "$w" || exit 1
cat >&3 || exit 1
[ "$(($(wc -c < "$w")))" -eq ${size} ] || fail "the content did not arrive whole"`;

export const privateDirectory = (path: string): string => `${PRELUDE}
split ${path}; ${refuseReplaceable}
${RECORD}
mkdir -m 0700 "$w"`;

/** Removes what `privateFile` or `privateDirectory` has made. */
export const discard = (path: string): string => `${removeTree(path)}
code=$?
${FORGET}
exit $code`;

/** Replaces the link atomically if mv has -T, which keeps it from following the present link. */
export const symlink = (path: string, to: string, unique: string): string => `${PRELUDE}
split ${path}; to=${to}
n=./.$(printf %.100s "$b").${unique}
trap 'rm -f "$n"' EXIT; trap 'exit 129' HUP INT TERM
ln -s -- "$to" "$n" || exit 1
mv -fT "$n" "$w" 2>/dev/null || { trusted && rm -f "$w" && mv -f "$n" "$w"; } || { rm -f "$n"; exit 1; }
[ "$(readlink "$w")" = "$to" ] || changed
place`;

/** Renames. An existing directory is refused, never moved into. */
export const rename = (from: string, to: string): string => `${PRELUDE}
split ${from}; from=$(pwd -P); name=$b; exec 5<.
split ${to}
[ ! -e /proc/self/fd/5 ] || from=/proc/self/fd/5
mv -fT "$from/$name" "$w" 2>/dev/null || { [ ! -d "$w" ] || fail "Directory not empty"; trusted || fail "mv has no -T; use via.agent()"; mv -f "$from/$name" "$w"; }`;

/** Prints the stat of the source, and that of what was at the destination. GNU cp copies everything; others copy mode, owner and times. */
export const copyFile = (source: string, destination: string, unique: string): string => `${PRELUDE}
follow ${source}
[ -f "$w" ] || { [ -e "$w" ] && fail "the source is not a regular file"; fail "No such file or directory"; }
bind; [ "$w" = /proc/self/fd/4 ] || exec 4<"$w" || exit 1
original="$(pwd -P)/$b"; [ ! -e /proc/self/fd/4 ] || original=/proc/self/fd/4
${SHOWN}shown -L "$original"
split ${destination}
[ ! -e "$w" ] || shown -L "$w"
create ${unique}
if cp --version >/dev/null 2>&1; then cp -L --preserve=all -- "$original" "$new"; else cp -pL "$original" "$new"; fi || exit 1
sync "$new" 2>/dev/null
replace || exit 1
sync . 2>/dev/null
place`;

/** Prints what it changed. GNU find enters the directory of each file, and GNU chown checks the owner once more. */
export const reassignOwner = (path: string, from: Ids, to: Ids): string => `${PRELUDE}
pin ${path}
exec=-exec; only=; group=
if find --version >/dev/null 2>&1; then exec=-execdir; only="--from=${from.uid}"; group="--from=:${from.gid}"
elif ! trusted; then fail "it takes GNU find where other users can write; use via.agent()"; fi
find . -xdev -user ${from.uid} -print $exec chown -h $only ${to.uid} {} + && find . -xdev -group ${from.gid} -print $exec chown -h $group :${to.gid} {} +`;

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

const refuseReplaceable = `trusted || sticky || fail "other users can write to $(pwd -P), and could replace it; omit \\\`directory\\\`"`;
