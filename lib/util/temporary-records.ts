/**
 * Shell text that records which temporary files exist on a host, so that those of a lost link can be removed by their names.
 * The records of a user are files in a private directory beside the temporary files, which is there only while one is.
 * Each has the name of a temporary file, and holds the path of its directory.
 */
const ALL = `case $TMPDIR in /*) records=$TMPDIR;; *) records=/tmp;; esac
records=$records/consfigurator-temporary-`;
const OWN = `${ALL}$(id -u)`;

/** Records `$b`, which is about to be created in the working directory. Without a record it would only not be removed. */
export const RECORD = `${OWN}
(umask 077; mkdir "$records"; [ ! -L "$records" ] && [ -O "$records" ] && pwd -P >"$records/$b") 2>/dev/null`;

/** Removes the record of `$b`. */
export const FORGET = `${OWN}
rm -f "$records/$b"; rmdir "$records" 2>/dev/null`;

/**
 * Removes everything that is recorded, with its record: while the host is held, it belongs to deployments that are over.
 * What is mounted, or may have been replaced by another user, stays.
 */
export const REMOVE_RECORDED = `${ALL}
for records in "$records"*; do
  [ -d "$records" ] && [ ! -L "$records" ] && [ -O "$records" ] || continue
  for record in "$records"/consfigurator.*; do
    b=\${record##*/}
    [ -f "$record" ] && IFS= read -r place <"$record" || continue
    (
      cd -P -- "$place" 2>/dev/null && [ -O "./$b" ] && [ ! -L "./$b" ] || exit 0
      ! grep -qF "/$b" /proc/self/mountinfo 2>/dev/null || exit 1
      if [ "$(id -u)" = 0 ]; then
        set -- $(stat -c "%f %u" . 2>/dev/null || stat -f "%Xp %u" .)
        [ "$2" = 0 ] && { [ $((0x$1 & 022)) -eq 0 ] || [ $((0x$1 & 01000)) -ne 0 ]; } || exit 0
      fi
      rm -rf "./$b"
    ) && rm -f "$record"
  done
  rmdir "$records"
done >/dev/null 2>&1`;
