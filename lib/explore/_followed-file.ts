import type { Cell } from "../model/rows";
import { visibleText } from "../util/clean-text";
import { shellQuote } from "../util/shell-quote";
import type { FollowedSource, FromSource } from "./_following";
import type { Line } from "./_line-bytes";

/** A line of a file. */
export interface FileLine {
  readonly [column: string]: Cell;
  readonly path: string;
  readonly line: string;
}

/** A file of a host. It is continued at the byte where the last complete line has ended. */
export class FollowedFile implements FollowedSource<FileLine> {
  /** What is followed now, and where its next line begins. */
  #inode: string | undefined;
  #offset = 0;
  /** The bytes before that: the number of a file that was removed is soon that of another. */
  #last: Buffer = Buffer.alloc(0);
  /** True until the command has said where it begins. */
  #isHead = true;
  #isPartial = false;
  /** True: the command before has followed its file to the end. */
  #isNext = false;
  /** True: others had its name after that one, and before the present one. */
  #hasSkipped = false;

  constructor(
    private readonly path: string,
    private readonly lines: number,
    private readonly grep: RegExp | undefined,
  ) {}

  command(): string {
    this.#isHead = true;
    const isAnew = this.#isNext || this.#inode === undefined;
    const args = isAnew
      ? ["", "0", "", this.#isNext ? "" : `${this.lines}`]
      : [this.#inode ?? "", `${this.#offset}`, this.#last.toString("hex"), ""];
    return ["sh", "-c", SCRIPT, "follow", this.path, ...args].map((word) => shellQuote(word)).join(" ");
  }

  *take({ text, bytes, last }: Line): Generator<FromSource<FileLine>, void, undefined> {
    if (this.#isHead) {
      const message = this.#begin(text ?? "");
      if (message !== undefined) yield { message };
      return;
    }
    this.#offset += bytes;
    this.#last = last;
    const isPartial = this.#isPartial;
    this.#isPartial = false;
    if (isPartial || text === undefined) return;
    const line = text.replace(/\r$/, "");
    if (this.grep && !this.grep.test(line)) return;
    yield {
      at: new Date().toISOString(),
      row: { path: this.path, line: visibleText(line) },
    };
  }

  /** Reads what the command says before the content. */
  #begin(head: string): string | undefined {
    const { path } = this;
    if (head === "missing") return `${path} does not exist; waiting for it`;
    const [, inode, offset, how = ""] = /^at (\d+) (\d+) (\w+)$/.exec(head) ?? [];
    const isSame = this.#inode === inode;
    const isNext = this.#isNext;
    this.#isHead = false;
    this.#isNext = false;
    this.#isPartial = (how === "last" && offset !== "0") || (how === "on" && this.#isPartial);
    this.#inode = inode;
    this.#offset = Number(offset);
    const isContinued = !isNext && ["on", "rest", "between"].includes(how);
    if (!isContinued) this.#last = Buffer.alloc(0);
    const missing = "lines may be missing here:";
    if (how === "lost")
      return `${missing} ${path} was replaced meanwhile, and what it was before is not in its directory`;
    const hasSkipped = this.#hasSkipped;
    this.#hasSkipped = how === "between";
    if (isNext && hasSkipped) return `${missing} ${path} was replaced more than once meanwhile`;
    if (how === "shorter" || (isNext && isSame))
      return `${path} was truncated; following it from its beginning`;
    return isNext ? `${path} was replaced; following the new one` : undefined;
  }

  /** The file was replaced, or truncated: the next one is followed from its beginning. */
  ended(): undefined {
    this.#isNext = true;
  }
}

/**
 * Prints "at INODE OFFSET HOW" and the content of the file $1 from there on. It ends when another file has its name, or it has
 * become shorter, once it has all been printed. $2, $3 and $4: the inode and the offset at which an earlier one was interrupted,
 * and the bytes before it in hexadecimal, or nothing; with $5, the newest so many lines come first. What an interrupted one
 * followed may have another name by now.
 * HOW is "last" when the line at the offset may be an incomplete one, "rest" for the rest of a file with another name,
 * "between" when further files have come after that, "shorter" when it was truncated, "lost" when it is not found, else "on".
 *
 * The file is read from a descriptor, so that nothing is missed that is written to it after it was renamed.
 */
const SCRIPT = `f=$1 inode=$2 offset=$3 last=$4 lines=$5
trap 'kill $! 2>/dev/null; exit 143' TERM
pause() { sleep 1 & wait $!; }
look() { set -- $(ls -dinL -- "$1" 2>/dev/null); i=$1 s=$6; }
known() {
  n=$((\${#last} / 2))
  [ "$n" = 0 ] ||
    [ "$(tail -c +$((offset - n + 1)) -- "$1" | head -c "$n" | od -An -v -tx1 | tr -d ' \\n')" = "$last" ]
}
[ -d "$f" ] && { echo "$f is a directory" >&2; exit 1; }
look "$f"
[ -n "$i" ] || echo missing
until [ -n "$i" ]; do pause; look "$f"; done
[ -r "$f" ] || { echo "$f cannot be read by this user" >&2; exit 1; }
until exec 4<"$f" && was=$i && look "$f" && [ "$was" = "$i" ]; do :; done
how=on
if [ -n "$inode" ] && [ "$inode" = "$i" ] && [ "$s" -lt "$offset" ]; then
  offset=0 how=shorter
elif [ -n "$inode" ] && { [ "$inode" != "$i" ] || ! known "$f"; }; then
  old=$(find "\${f%/*}/" -maxdepth 1 -type f -inum "$inode" 2>/dev/null | head -n 1)
  if [ -f "$old" ] && [ "$inode" != "$i" ] && known "$old"; then
    how=rest
    [ -z "$(find "\${f%/*}/" -maxdepth 1 -type f -newer "$old" -name "\${f##*/}?*")" ] || how=between
    echo "at $inode $offset $how"
    exec tail -c +$((offset + 1)) -- "$old"
  fi
  offset=0 how=lost
elif [ -n "$lines" ]; then
  offset=$((s - $(tail -n "$lines" -- "$f" | wc -c))) how=last
  [ "$offset" -gt 0 ] && offset=$((offset - 1)) || offset=0
fi
echo "at $i $offset $how"
inode=$i old=$s
tail -c +$((offset + 1)) <&4
while :; do
  pause
  look "$f"
  if [ "$i" = "$inode" ]; then
    [ "$s" -lt "$old" ] && exit 0
    [ "$s" -gt "$old" ] && cat <&4
    old=$s
  else
    cat <&4
    [ -n "$i" ] && { pause; cat <&4; exit 0; }
  fi
done`;
