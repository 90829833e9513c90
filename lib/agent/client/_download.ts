import type { Runtime } from "../../model/agent-artifacts";
import { shellQuote } from "../../util/shell-quote";

/** Part of apt on every Debian; it also decompresses zstd, which it recognises by the file name. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";
/** Printed when the downloaded runtime is in its place. */
export const INSTALLED = "consfigurator-downloaded";
/** Printed when what was downloaded is something else. */
export const OTHER_BYTES = "consfigurator-other-bytes";

/** Seconds for which a server may say nothing. */
const SILENCE_S = 15;
/** Seconds that a download may take. */
const LIMIT_S = 900;
/** Naps, of 0.3 seconds, before the download begins: an upload that is over by then needs no help. */
const HEAD_START = 3;
/** Naps, from the first byte, between two comparisons with the upload: on a link that both share, they cost it time. */
const COMPARISON = 5;
/** Naps that it takes to unpack the package. */
const UNPACKING = 5;
/** Size of the package, as a part of the binary's. */
const PACKED = 0.42;
/** Space needed on the host for a package and the binary in it, as a multiple of the binary's. */
export const DOWNLOAD_SPACE = 1 + PACKED + 0.1;

/** What the host downloads, and the quoted paths of the upload that it competes with. */
export interface Download {
  readonly url: string;
  readonly runtime: Runtime;
  /** The upload so far; `from`: bytes that it began with. */
  readonly part: string;
  readonly from: number;
  /** Where the binary belongs, and the symlink that starts it. */
  readonly file: string;
  readonly link: string;
}

/**
 * A background job for the script that receives the upload, with its temporary files beside `$t`: downloads the package,
 * and puts the binary in its place when its SHA-256 is the expected one. It gives up when the upload will be there
 * earlier, as on a link that both share, and when the script has ended; at SIGTERM it leaves nothing behind. While it runs,
 * `$t.job` exists. The output of the script is not held open by what it starts.
 */
export function downloadJob({ url, runtime, part, from, file, link }: Download): string {
  const [address, size] = [shellQuote(url), runtime.size];
  const kilobytes = (bytes: number) => Math.ceil(bytes / 1024);
  return `: >"$t.job"; {
  n=0; c=; stop() { [ -n "$c" ] && kill "$c"; rm -f "$t".tgz "$t".node "$t".sum "$t".job; exit; }; trap stop TERM
  ended() { wait "$c"; code=$?; c=; return $code; }
  nap() { { sleep 0.3 || sleep 1; } >/dev/null & wait $!; n=$((n + 1)); kill -0 $$ || stop; }
  later() {
    sent=$(($(wc -c <${part} || echo 0) / 1024))
    [ $((((${kilobytes(size * PACKED)} - got) * (n - s) + ${UNPACKING} * got) * (sent - ${kilobytes(from)}))) -gt $(((${kilobytes(runtime.compressed.size)} - sent) * n * got)) ]
  }
  fetch() {
    rm -f "$t.tgz"; "$@" >/dev/null & c=$!; s=$n
    while kill -0 $c; do
      nap; got=$(($(wc -c <"$t.tgz" || echo 0) / 1024))
      if [ $got -eq 0 ]; then s=$n; elif [ $(((n - s) % ${COMPARISON})) -eq 0 ]; then later && stop; fi
    done
    ended
  }
  while [ $n -lt ${HEAD_START} ]; do nap; done
  ulimit -f ${Math.ceil(size / 512)}
  if command -v curl; then fetch curl -gfsSL --connect-timeout ${SILENCE_S} --speed-time ${SILENCE_S} --speed-limit 1024 --max-time ${LIMIT_S} -o "$t.tgz" ${address}
  elif command -v wget; then fetch wget -q -T ${SILENCE_S} -O "$t.tgz" ${address}
  else false; fi >/dev/null ||
  fetch ${APT_HELPER} -o Acquire::Retries=0 -o Acquire::http::Timeout=${SILENCE_S} -o Acquire::https::Timeout=${SILENCE_S} download-file ${address} "$t.tgz" || stop
  tar -xzOf "$t.tgz" package/bin/node >"$t.node" & c=$!; ended || { echo ${OTHER_BYTES}; stop; }
  { sha256sum || shasum -a 256; } <"$t.node" >"$t.sum" & c=$!; ended || stop
  read -r sum _ <"$t.sum"; [ "$sum" = ${runtime.sha256} ] || { echo ${OTHER_BYTES}; stop; }
  chmod 755 "$t.node" && kill -0 $$ && mv -f "$t.node" ${file} && ln -sf ${file} ${link} && echo ${INSTALLED}
  stop
} </dev/null 2>/dev/null 8>&- &`;
}
