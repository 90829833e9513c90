/** The user and group numbers of an unprivileged container, and the files that have them. */
import { AbortedChange, InapplicableProperty, type PosixTarget, schema, shellQuote } from "consfigurator";

const { either, integer, list } = schema;

/** `count` numbers from `inside` on in the container are those from `outside` on on the host. */
export type IdMap = readonly [inside: number, outside: number, count: number];

const number = () => integer({ minimum: 0, maximum: 2 ** 32 - 2, description: "a user or group number" });
const idMap = (): schema.Schema<number[]> => list(number(), { minItems: 3, maxItems: 3 });

/** One map or several. */
export const idMaps = () => either(idMap(), list(idMap()));

export const mapsFrom = (given: IdMap | readonly IdMap[] | undefined): readonly IdMap[] =>
  given === undefined || given.length === 0
    ? []
    : typeof given[0] === "number"
      ? [given as IdMap]
      : (given as readonly IdMap[]);

/**
 * Throws `InapplicableProperty` for maps that overlap: a number must not mean two. That also goes for the numbers of one side that
 * are those of the other: whether a file has been given its number could not be seen.
 */
export function refuseOverlaps(maps: readonly IdMap[], what: string): void {
  const ranges = maps.flatMap(([inside, outside, count]) => [
    { side: "inside", first: inside, end: inside + count },
    { side: "outside", first: outside, end: outside + count },
  ]);
  for (const [at, one] of ranges.entries())
    for (const other of ranges.slice(at + 1))
      if (one.first < other.end && other.first < one.end)
        throw new InapplicableProperty(
          `the ${what} ${one.first} to ${one.end - 1} ${one.side} and ${other.first} to ${other.end - 1} ${other.side} overlap; give ranges that do not`,
        );
}

/** The map for the first range that `user` has in /etc/subuid or /etc/subgid. */
export async function ownMap(target: PosixTarget, file: string, user: string): Promise<IdMap> {
  const uid = (await target.user(user))?.uid;
  for (const line of await target.readLines(file)) {
    const [name, first, count] = line.split(":");
    if (name === user || name === String(uid)) return [0, Number(first), Number(count)];
  }
  throw new AbortedChange(
    `${user} has no line in ${file}, so the numbers of the container are not known; give the property maps`,
  );
}

/**
 * Gives the files below `root` the numbers that they have outside. Each number is one of the inside or one of the outside, so it
 * may be repeated after an interruption; the modes, which a change of the owner takes away, are noted before in `noted`.
 */
export function shiftScript(
  root: string,
  noted: string,
  uids: readonly IdMap[],
  gids: readonly IdMap[],
): string {
  const cases = (maps: readonly IdMap[]) =>
    maps
      .map(
        ([inside, outside, count]) =>
          `if [ "$1" -ge ${inside} ] && [ "$1" -lt ${inside + count} ]; then echo $(($1 - ${inside} + ${outside})); return; fi`,
      )
      .join("\n");
  return `set -e
u() { ${cases(uids)}
echo "$1"; }
g() { ${cases(gids)}
echo "$1"; }
cd ${shellQuote(root)}
if [ ! -e ${shellQuote(noted)} ]; then
  find . ! -type l -perm /6000 -printf '%m %p\\0' >${shellQuote(noted)}.new
  mv ${shellQuote(noted)}.new ${shellQuote(noted)}
fi
find . -printf '%U %G\\n' | sort -u | while read -r own group; do
  to=$(u "$own"):$(g "$group")
  [ "$to" = "$own:$group" ] || find . -uid "$own" -gid "$group" -exec chown -h "$to" {} +
done
if command -v getfacl >/dev/null 2>&1; then
  getfacl --recursive --numeric --skip-base --physical . 2>/dev/null | while IFS= read -r line; do
    case $line in
      *user:[0-9]*) n=\${line#*user:}; n=\${n%%:*}; echo "\${line%%user:*}user:$(u "$n"):\${line##*:}" ;;
      *group:[0-9]*) n=\${line#*group:}; n=\${n%%:*}; echo "\${line%%group:*}group:$(g "$n"):\${line##*:}" ;;
      '# owner:'* | '# group:'*) ;;
      *) printf '%s\\n' "$line" ;;
    esac
  done | setfacl --restore=-
fi
xargs -0 -r -n 500 sh -c 'for e do chmod "\${e%% *}" "\${e#* }"; done' sh <${shellQuote(noted)}
rm ${shellQuote(noted)}`;
}
