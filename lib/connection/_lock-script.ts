import { HOLDS, WAITS } from "../model/host-lock";
import { shellQuote, shellWords } from "../util/shell-quote";
import { REMOVE_RECORDED } from "../util/temporary-records";
import type { StderrMarkers } from "./_stderr-markers";

/** A holder that hears nothing for so many seconds has lost its link, and ends. */
export const linkSilence = (): number =>
  Number(process.env["CONSFIGURATOR_LINK_SILENCE_MS"] || 45_000) / 1000;
/** Waiting is reported when it has lasted this long: an earlier deployment may be about to let go. */
const PATIENCE_S = 0.3;
/** How often the waiting side looks who holds the host now. */
const LOOK_S = 5;

/** What the holder reports, each as the first word of a marker; further lines follow in the same marker. */
export type Report = "held" | "ours" | "none" | "busy" | "exit";

/** What the holder is told when it starts. */
export interface Holding {
  /** For whom the host is held; absent: two lines of its input tell it later, when the host is to be held. */
  readonly owner?: { readonly deployment: string; readonly by: string };
  /** The hosts that deployments around this one hold. */
  readonly held: readonly string[];
  /** While this file exists on the host, commands of a deployment that was killed still run. */
  readonly leftovers?: string | undefined;
  /** Shell text of a file: while it exists, what is to hold the host after the link is lost is at work. */
  readonly successor?: string | undefined;
  /** Runs as soon as the host is held, without input. */
  readonly question?: string | undefined;
}

/**
 * Shell text that holds the lock of the host: flock(2) of the root directory, which every user can open and nobody can
 * replace. The kernel releases it with the process, which ends with its input.
 *
 * Another shell does the holding, so that its name tells waiting deployments who it is: `HOLDS DEPLOYMENT BY SINCE HOST`.
 */
export function lockScript(holding: Holding, markers: StderrMarkers): string {
  const { owner } = holding;
  const given = owner ? [owner.deployment, owner.by].map(oneLine) : [];
  return `exec /bin/sh -c ${shellWords([acquire(holding, markers), WAITS, hold(holding, markers), ...given])}`;
}

/** Waiting deployments read the arguments of the holder as lines. */
export const oneLine = (word: string): string => word.replace(/[\n\r]/g, " ");

/**
 * Reads lines until "end", and then succeeds; fails at the end of the input, or when nothing has come for too long. What
 * reads does not inherit the lock.
 */
const readLines = () => `lines() {
  if timeout 5 true 2>/dev/null; then set -- timeout ${linkSilence()}; else set --; fi
  while :; do
    "$@" sh -c 'IFS= read -r l || exit 1; [ "$l" != end ] || exit 3' 9<&- 2>/dev/null
    case $? in 0) ;; 3) return 0;; *) return 1;; esac
  done
}`;

/** Takes the lock, and becomes the shell that holds it. `$1`: its script; `$2`, `$3`: deployment and user. */
const acquire = ({ owner, held }: Holding, markers: StderrMarkers): string => `LC_ALL=C; export LC_ALL
script=$1; deployment=$2; by=$3
say() { ${markers.print('"$1"')} >&2; }
become() { exec /bin/sh -c "$script" "$@"; }
unlocked() { say "none
$1"; become ${HOLDS}-nothing; }
dir=\${CONSFIGURATOR_LOCK:-/}
{ IFS= read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || boot=$(uname -n)
host=$boot-$(stat -L -c %d:%i "$dir" 2>/dev/null || stat -L -f %d:%i "$dir")
case ${shellQuote(` ${held.join(" ")} `)} in *" $host "*) say ours; become ${HOLDS}-already;; esac
${owner ? "" : "IFS= read -r deployment && IFS= read -r by || exit\n"}command -v flock >/dev/null 2>&1 || unlocked "it has no flock(1)"
[ -r "$dir" ] || unlocked "its root directory cannot be opened"
exec 9<"$dir"
said=$(flock -n 9 2>&1); code=$?
[ "$code" -eq 0 ] || [ -z "$said" ] || { exec 9<&-; unlocked "$said"; }
if [ "$code" -ne 0 ]; then
${readLines()}
${WHO}
  flock 9 & waiter=$!
  exec 3<&0
  { lines; kill "$waiter"; } <&3 9<&- >/dev/null 2>&1 & watcher=$!
  {
    trap 'kill "$sleeper"; exit' TERM
    pause() { sleep "$1" 4>&- & sleeper=$!; wait "$sleeper"; }
    pause ${PATIENCE_S} || pause 1
    while said=$(who); do ${markers.print('"busy$said"')} >&4; pause ${LOOK_S}; done
  } 4>&2 </dev/null 9<&- >/dev/null 2>&1 & teller=$!
  wait "$waiter"; code=$?
  kill "$watcher" "$teller"
  [ "$code" -eq 0 ] || exit 1
  exec 3<&-
fi
${REMOVE_RECORDED}
say "held
$host"
become ${HOLDS} "$deployment" "$by" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$host"`;

/**
 * Prints who holds the lock, one thing a line: a deployment, or a process that is none. Root reads in /proc which process
 * it is, and gets the process id of another user's deployment; other users believe what a process says of itself.
 */
const WHO = `owner() { set -- $(stat -c '%U %u' "/proc/$1" 2>/dev/null); [ "$1" = UNKNOWN ] && echo "uid $2" || echo "$1"; }
locks() { inode=$1; shift; grep -lsE "^lock:.* FLOCK .* WRITE .*$inode 0 EOF" "$@" 2>/dev/null; }
who() {
  for file in $(grep -ls ${HOLDS} /proc/[0-9]*/cmdline); do
    p=\${file#/proc/}; p=\${p%/cmdline}
    words=$(tr '\\000' '\\n' <"$file" 2>/dev/null | tail -n 5)
    case "$words" in "${HOLDS}
"*"
$host") ;; *) continue;; esac
    [ ! -r "/proc/$p/fdinfo" ] || [ -n "$(locks "" "/proc/$p/fdinfo"/*)" ] || continue
    as=$(owner "$p"); [ "$(id -u)" -eq 0 ] && [ "$as" != root ] || p=
    printf '\\ndeployment\\n%s\\n%s\\n%s' "$as" "$words" "$p"; return
  done
  file=$(locks ":\${host##*:}" /proc/[0-9]*/fdinfo/* | head -n 1)
  p=\${file#/proc/}; p=\${p%%/*}
  [ -z "$p" ] || printf '\\nprocess\\n%s\\n%s\\n%s' "$(owner "$p")" "$p" "$(cat "/proc/$p/comm" 2>/dev/null)"
}`;

/** Holds what is held. The exit code of the question follows its output, on both outputs. */
function hold({ leftovers = "", successor, question }: Holding, markers: StderrMarkers): string {
  const exit = markers.print('"exit $code"');
  const ask = `(\n${question}\n) </dev/null 9<&-; code=$?; ${exit}; ${exit} >&2\n`;
  return `${question === undefined ? "" : ask}[ "$0" = ${HOLDS} ] || exit 0
${readLines()}
lines && exit
${successor === undefined ? "" : `f=${successor}; while [ -e "$f" ]; do sleep 1; done; rm -f "$f"`}
${REMOVE_RECORDED}
n=0; while [ -e ${shellQuote(leftovers)} ] && [ $n -lt 100 ]; do sleep 0.1 || sleep 1; n=$((n + 1)); done`;
}
