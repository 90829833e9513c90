import { open } from "node:fs/promises";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Compression, Runtime } from "../../model/agent-artifacts";
import type { Connection } from "../../model/connection";
import type { Progress } from "../../model/events";
import { uploadProgress } from "../../model/upload-progress";
import { readText } from "../../util/read-text";
import { shellQuote } from "../../util/shell-quote";
import { APT_HELPER, downloadJob, INSTALLED, OTHER_BYTES } from "./_download";
import type { Pace } from "./_pace";

/** Bytes read from the file at once. */
const CHUNK = 512 * 1024;

/** Error of the host when the checksum or the size of the runtime is wrong. */
export const CORRUPT_UPLOAD = "the uploaded runtime is corrupt";

/** Paths of a runtime on the host: the partial upload, the binary, and the symlink that starts it (as shell text). */
export interface RuntimePaths {
  readonly part: string;
  readonly file: string;
  readonly link: string;
}

export interface UploadOptions {
  /** Bytes that the host has already. */
  readonly from: number;
  progress(event: Progress): void;
  readonly pace?: Pace | undefined;
  /** The npm package with the runtime, for a host that may download it. */
  readonly url?: string | undefined;
}

/**
 * Uploads `runtime` and unpacks it on the host, or stops when the host has downloaded it itself meanwhile. Returns
 * undefined, or the host's error.
 */
export async function upload(
  parent: Connection,
  runtime: Runtime,
  compression: Compression,
  paths: RuntimePaths,
  { from, progress, pace, url }: UploadOptions,
): Promise<string | undefined> {
  const { file, size } = runtime.compressed;
  const channel = await parent.exec(receiveScript(runtime, compression, paths, from, url));
  const report = uploadProgress(`Node ${runtime.id}`, size, progress);
  const stderr = readText(channel.stderr, 1024 * 1024);
  stderr.catch(() => {});
  const download = downloaded(channel.stdout, (text) =>
    progress({ kind: "notice", text: `${url}: ${text}` }),
  );
  await pace?.begin();
  // The host may finish before everything is sent.
  const sending = sendFile(file, from, channel.stdin, report, pace).catch(() => {});
  const exit = await Promise.race([channel.exit, sending.then(() => channel.exit), download]);
  if (exit === INSTALLED) {
    channel.stdin.end();
    pace?.hurry();
  }
  return exit === 0 || exit === INSTALLED ? undefined : (await stderr).trim() || `exit code ${exit}`;
}

/** Resolves when the script prints that the host has downloaded the runtime. */
function downloaded(stdout: Readable, notice: (text: string) => void): Promise<typeof INSTALLED> {
  return new Promise((resolve) => {
    let printed = "";
    const lookFor = (word: string, text: string, then = () => {}) => {
      if (!printed.includes(word)) return;
      printed = "";
      notice(text);
      then();
    };
    stdout.on("data", (chunk: Buffer) => {
      printed = (printed + chunk.toString("latin1")).slice(-OTHER_BYTES.length - INSTALLED.length);
      lookFor(INSTALLED, "the host downloaded Node from there before it was uploaded", () =>
        resolve(INSTALLED),
      );
      lookFor(OTHER_BYTES, "what the host downloaded from there is not the expected Node, and was deleted");
    });
  });
}

/**
 * A lock serialises concurrent uploads. Received bytes are kept in the `.part` file, so an interrupted upload resumes
 * there. The data is unpacked while it arrives. The binary gets its final name only when both sizes, compressed and
 * full, and the embedded checksum are right; a corrupt part is deleted. (This guards against accidents only: ssh
 * protects the transfer, and the directory is private to the user.) A download that puts the binary there first ends the
 * upload; the end of the upload, or of the link, ends the download.
 */
function receiveScript(
  runtime: Runtime,
  compression: Compression,
  { part, file, link }: RuntimePaths,
  from: number,
  url: string | undefined,
): string {
  const [p, f] = [shellQuote(part), shellQuote(file)];
  const { size, compressed } = runtime;
  const download = url ? `${downloadJob({ url, runtime, part: p, from, file: f, link })} d=$!` : ":";
  const unpack =
    compression === "gzip"
      ? "gzip -dc"
      : `if command -v zstd >/dev/null 2>&1; then zstd -dc; else ln -s /dev/stdin "$t.zst"; ${APT_HELPER} cat-file "$t.zst"; fi`;
  return `umask 077; LC_ALL=C; export LC_ALL; d=; t=${f}.$$; trap '[ -e "$t.job" ] && kill "$d" 2>/dev/null; rm -f "$t" "$t".*' EXIT; trap 'exit 1' HUP INT TERM
if command -v flock >/dev/null 2>&1; then exec 8>${f}.lock; flock 8; fi
[ -x ${f} ] && { ln -sf ${f} ${link}; exit 0; }
rm -f ${f}.[0-9]*.tmp*; t=${f}.$$.tmp; touch ${p}; old=$(wc -c <${p})
if [ "$old" -gt ${from} ]; then head -c ${from} ${p} >"$t" && mv -f "$t" ${p}; elif [ "$old" -lt ${from} ]; then echo "the partial upload is gone; deploy again" >&2; exit 1; fi
${download}
{ ${from > 0 ? `cat ${p}; ` : ""}tee -a ${p} 2>/dev/null; } | (
  output=$({ ${unpack}; } 2>&1 >"$t"); code=$?; cat >/dev/null; [ -x ${f} ] && exit 1
  got=$(wc -c <${p}); full=$(wc -c <"$t")
  [ $code -eq 0 ] && [ "$got" -eq ${compressed.size} ] && [ "$full" -eq ${size} ] && exit 0
  if [ "$(df -Pk ${p} | { read -r _; read -r _ _ _ free _; echo "$free"; })" -lt 1024 ]; then echo "no space left on the host"
  elif [ "$got" -lt ${compressed.size} ]; then echo "received $got of ${compressed.size} bytes"
  else case $output in
    *"No space left"* | *"quota exceeded"*) echo "no space left on the host" ;;
    *) rm -f ${p}; echo "${CORRUPT_UPLOAD}: $(echo "$output" | sed -n "/./{p;q;}")" ;;
  esac; fi >&2
  exit 1
) && chmod 755 "$t" && mv -f "$t" ${f}
[ -x ${f} ] && rm -f ${p} && ln -sf ${f} ${link} || exit 1
find ${shellQuote(path.dirname(file))} -type f -mtime +30 ! -newer ${f} -exec rm -f {} +; :`;
}

/**
 * Writes `file` from byte `from` on to `to`, and ends it. Alternates between two buffers: a read stream would allocate
 * a new one for each chunk and keep the garbage collector busy.
 */
async function sendFile(
  file: string,
  from: number,
  to: Writable,
  report: (sent: number) => void,
  pace?: Pace,
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
      writing = paced(to, buffer.subarray(0, bytesRead), pace);
      report(sent);
    }
    to.end();
  } finally {
    await source.close();
  }
}

/** As `written`, at the pace of the upload. */
async function paced(to: Writable, chunk: Buffer, pace: Pace | undefined): Promise<void> {
  for (let rest = chunk; rest.length > 0; ) {
    await pace?.turn();
    const piece = rest.subarray(0, pace?.piece);
    await written(to, piece);
    pace?.sent(piece.length);
    rest = rest.subarray(piece.length);
  }
}

/** Settles when `chunk` is written and its memory may be reused; rejects when the stream closes first. */
const written = (to: Writable, chunk: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    to.once("close", reject);
    to.write(chunk, (error) => {
      to.off("close", reject);
      if (error) reject(error);
      else resolve();
    });
  });
