import { open } from "node:fs/promises";
import path from "node:path";
import type { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Compression, Runtime } from "../../model/agent-artifacts";
import type { Connection } from "../../model/connection";
import type { Progress } from "../../model/events";
import { shellQuote } from "../../util/shell-quote";

/** How much of a file is read at once, in bytes. */
const CHUNK = 512 * 1024;
/** How often an upload is reported. */
const TELL_MS = 100;

/** Every Debian has it with apt, and it undoes zstd, by the name of the file. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";
/** What a host says when what it has been sent is not what it should be. */
export const GARBAGE = "the runtime arrived broken";

/** Where a runtime goes on the host: what has arrived of it, all of it, and the name it is started by (shell text). */
export interface Places {
  readonly part: string;
  readonly file: string;
  readonly link: string;
}

/** Sends `runtime` from its byte `from` on, and has it unpacked there. Gives undefined, or what the host complains of. */
export async function upload(
  parent: Connection,
  runtime: Runtime,
  compression: Compression,
  places: Places,
  from: number,
  progress: (event: Progress) => void,
): Promise<string | undefined> {
  const { file, size } = runtime.compressed;
  const channel = await parent.exec(receiveScript(runtime, compression, places, from));
  let told = 0;
  const tell = (sent: number) => {
    if (sent < size && performance.now() - told < TELL_MS) return;
    told = performance.now();
    progress({ kind: "upload", what: `Node ${runtime.id}`, sent, total: size });
  };
  const complaint = text(channel.stderr);
  channel.stdout.resume();
  // The host may say that it has enough before all is sent.
  const sending = sendFile(file, from, channel.stdin, tell).catch(() => {});
  const exit = await Promise.race([channel.exit, sending.then(() => channel.exit)]);
  return exit === 0 ? undefined : (await complaint).trim() || `exit code ${exit}`;
}

/**
 * Two that send at once do it one after the other. What came before is kept in the part, so that an upload that was
 * broken off goes on where it stopped. It is unpacked while it arrives. The binary gets its name only when all of it is
 * there, in both sizes, and the checksum that stands in what was compressed is right; what is broken is thrown away.
 * (ssh guards the way, and the directory is closed to others: what is guarded against here are accidents.)
 */
function receiveScript(
  { size, compressed }: Runtime,
  compression: Compression,
  { part, file, link }: Places,
  from: number,
): string {
  const [p, f] = [shellQuote(part), shellQuote(file)];
  const unpack =
    compression === "gzip"
      ? "gzip -dc"
      : `if command -v zstd >/dev/null 2>&1; then zstd -dc; else ln -s /dev/stdin "$t.zst"; ${APT_HELPER} cat-file "$t.zst"; fi`;
  return `umask 077; LC_ALL=C; export LC_ALL; t=${f}.$$; trap 'rm -f "$t" "$t".*' EXIT; trap 'exit 1' HUP INT TERM
if command -v flock >/dev/null 2>&1; then exec 8>${f}.lock; flock 8; fi
[ -x ${f} ] && { ln -sf ${f} ${link}; exit 0; }
rm -f ${f}.[0-9]*.tmp*; t=${f}.$$.tmp; touch ${p}; old=$(wc -c <${p})
if [ "$old" -gt ${from} ]; then head -c ${from} ${p} >"$t" && mv -f "$t" ${p}; elif [ "$old" -lt ${from} ]; then echo "the part that was there is gone; deploy again" >&2; exit 1; fi
{ ${from > 0 ? `cat ${p}; ` : ""}tee -a ${p} 2>/dev/null; } | (
  said=$({ ${unpack}; } 2>&1 >"$t"); code=$?; cat >/dev/null
  got=$(wc -c <${p}); full=$(wc -c <"$t")
  [ $code -eq 0 ] && [ "$got" -eq ${compressed.size} ] && [ "$full" -eq ${size} ] && exit 0
  if [ "$(df -Pk ${p} | { read -r _; read -r _ _ _ free _; echo "$free"; })" -lt 1024 ]; then echo "no space left on the host"
  elif [ "$got" -lt ${compressed.size} ]; then echo "$got of ${compressed.size} bytes arrived"
  else case $said in
    *"No space left"* | *"quota exceeded"*) echo "no space left on the host" ;;
    *) rm -f ${p}; echo "${GARBAGE}: $(echo "$said" | sed -n "/./{p;q;}")" ;;
  esac; fi >&2
  exit 1
) && chmod 755 "$t" && mv -f "$t" ${f} && rm -f ${p} && ln -sf ${f} ${link} || exit 1
find ${shellQuote(path.dirname(file))} -type f -mtime +30 ! -newer ${f} -exec rm -f {} +; :`;
}

/**
 * Writes what `file` holds from the byte `from` on, and ends `to`. Out of two buffers, in turn: a stream would take a
 * new one for each chunk, and have the collector of garbage look at all there is, again and again.
 */
async function sendFile(
  file: string,
  from: number,
  to: Writable,
  tell: (sent: number) => void,
): Promise<void> {
  const source = await open(file);
  try {
    const buffers = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)] as const;
    let writing: Promise<void> | undefined;
    for (let sent = from, turn = 0; ; turn ^= 1) {
      const buffer = buffers[turn as 0 | 1];
      const [{ bytesRead }] = await Promise.all([source.read(buffer, 0, CHUNK, sent), writing]);
      if (bytesRead === 0) break;
      sent += bytesRead;
      writing = written(to, buffer.subarray(0, bytesRead));
      tell(sent);
    }
    to.end();
  } finally {
    await source.close();
  }
}

/** Settles when `chunk` is taken, so that its memory may be used again; rejects when it never will be. */
const written = (to: Writable, chunk: Buffer): Promise<void> =>
  new Promise((taken, failed) => {
    to.once("close", failed);
    to.write(chunk, (error) => {
      to.off("close", failed);
      if (error) failed(error);
      else taken();
    });
  });
