import { text } from "node:stream/consumers";
import type { AgentArtifacts, Compression } from "../../model/agent-artifacts";
import type { Channel, Connection } from "../../model/connection";
import { ConsfigError } from "../../model/errors";
import type { Progress } from "../../model/events";
import { shellQuote } from "../../util/shell-quote";
import { BANNER } from "../shared/messages";
import { NODE_FLAGS } from "../shared/process";
import { APT_HELPER, CORRUPT_UPLOAD, upload } from "./_upload";

/** The oldest Node on a host that is used instead of ours. */
const MIN_NODE = 24;
/** Free space required on a host besides the runtime, in bytes: for sources and journals. */
const SPACE_MARGIN = 20 * 1024 * 1024;
/** How long the agent may take to say its first words, or a host without one to print its facts. */
const FIRST_WORDS_MS = 60_000;
/** The first line of the facts printed by a host that has no agent yet. */
const FACTS_HEADER = "consfigurator-bare";

/** Facts of a host without an agent. */
interface Facts {
  readonly uname: string;
  readonly free: number;
  readonly node: string;
  readonly compression: Compression;
  readonly boot: boolean;
  readonly runtime: boolean;
  /** Sizes of partial uploads of runtimes, by file. */
  readonly parts: ReadonlyMap<string, number>;
  readonly directory: string;
}

/**
 * Starts a relay over `parent` and returns its channel, positioned after the banner. This takes one command when the
 * host has everything; otherwise the runtime and the boot file are uploaded first. Corrupt files on the host are
 * deleted and uploaded again, once.
 */
export async function startRelay(
  parent: Connection,
  artifacts: AgentArtifacts,
  progress: (event: Progress) => void,
): Promise<Channel> {
  const boot = await artifacts.boot();
  const script = relayScript(boot.hash, parent.local ? process.execPath : undefined);
  let repaired = false;
  for (let attempt = 0; attempt < 4; attempt++) {
    const channel = await parent.exec(script);
    const output = await initialOutput(channel);
    if (output.endsWith(BANNER)) return channel;
    if (!output.includes(FACTS_HEADER)) {
      const exit = await channel.exit;
      const removed = repaired ? "" : await run(parent, REMOVE_CORRUPT);
      if (removed === "")
        throw new ConsfigError(`the agent did not start: ${output.trim() || `exit code ${exit}`}`);
      repaired = true;
      progress({
        kind: "notice",
        text: `corrupt files on the host, uploading them again: ${removed.trim().split("\n").join(", ")}`,
      });
      continue;
    }
    const facts = factsFrom(output);
    await Promise.all([
      facts.runtime ? undefined : sendRuntime(parent, facts, artifacts, progress),
      facts.boot ? undefined : sendBoot(parent, facts, boot),
    ]);
  }
  throw new ConsfigError(
    "the agent's files were uploaded, but the host does not have them; is its cache directory on a volatile file system?",
  );
}

/** The agent's directory on a host, as shell text. */
export const AGENT_DIRECTORY = '"${XDG_CACHE_HOME:-${HOME:-$(echo ~)}/.cache}/consfigurator/agent"';

/** Becomes the relay when the host has all files; otherwise prints the facts of the host. */
function relayScript(boot: string, ownNode: string | undefined): string {
  const flags = NODE_FLAGS.join(" ");
  return `umask 077; d=${AGENT_DIRECTORY}
${ownNode ? `[ -x "$d/node" ] || { mkdir -p "$d" && [ -x ${shellQuote(ownNode)} ] && ln -sf ${shellQuote(ownNode)} "$d/node"; }` : ":"}
[ -x "$d/node" ] && [ -f "$d/boot/${boot}.js" ] && exec "$d/node" ${flags} "$d/boot/${boot}.js" relay
mkdir -p "$d/boot" "$d/runtime" && chmod 700 "$d" || exit 1
echo; echo ${FACTS_HEADER}
echo "uname $(uname -sm)"
df -Pk "$d" | { read -r _; read -r _ _ _ free _; echo "free $free"; }
echo "node $(command -v node >/dev/null 2>&1 && node -p 'process.versions.node + " " + process.execPath')"
{ command -v zstd || [ -x ${APT_HELPER} ]; } >/dev/null 2>&1 && echo zstd
[ -x "$d/node" ] && echo runtime
[ -f "$d/boot/${boot}.js" ] && echo boot
for p in "$d"/runtime/*.part; do [ -f "$p" ] && echo "part $(wc -c <"$p") $p"; done
echo "directory $d"; echo end`;
}

/** Removes and prints the files that do not match the hash in their names: runtimes and boot files. */
const REMOVE_CORRUPT = `d=${AGENT_DIRECTORY}; cd "$d" 2>/dev/null || exit 0
for f in boot/*.js runtime/*-[0-9a-f]*; do
  [ -f "$f" ] || continue; case $f in *.part | *.lock) continue ;; esac
  n=\${f##*[/-]}; n=\${n%.js}; s=$(sha256sum <"$f"); case $s in "$n"*) ;; *) rm -f "$f"; echo "$f" ;; esac
done
[ -x node ] && ! ./node -e 0 >/dev/null 2>&1 && { rm -f node; echo node; }; exit 0`;

/** The output up to the banner, or all of it when there is no banner. Rejects when neither comes in time. */
function initialOutput(channel: Channel): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => {
      const last = (errors || output).trim().split("\n").at(-1);
      reject(
        new ConsfigError(
          `the agent did not start within ${FIRST_WORDS_MS / 1000} s${last ? `: ${last}` : ", and printed nothing"}; check the load, the memory and the file system of ~/.cache on the host, or remove via.agent()`,
        ),
      );
      channel.kill("SIGKILL");
    }, FIRST_WORDS_MS);
    const settled = () => clearTimeout(timer);
    let errors = "";
    channel.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2000);
    });
    const read = () => {
      for (let chunk: Buffer | null = channel.stdout.read(); chunk; chunk = channel.stdout.read()) {
        output += chunk.toString("latin1");
        const at = output.indexOf(BANNER);
        if (at < 0) continue;
        const rest = output.slice(at + BANNER.length);
        channel.stdout.off("readable", read);
        if (rest) channel.stdout.unshift(Buffer.from(rest, "latin1"));
        settled();
        return resolve(output.slice(0, at + BANNER.length));
      }
    };
    channel.stdout.on("readable", read);
    channel.exit
      .then(() => resolve(output + (output.includes(FACTS_HEADER) ? "" : errors)), reject)
      .finally(settled);
  });
}

function factsFrom(output: string): Facts {
  const lines = output.slice(output.indexOf(FACTS_HEADER)).split("\n");
  const value = (key: string) =>
    lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1) ?? "";
  const parts = lines
    .filter((line) => line.startsWith("part "))
    .map((line) => line.split(" "))
    .map(([, bytes, ...file]) => [file.join(" "), Number(bytes)] as const);
  return {
    uname: value("uname"),
    free: Number(value("free")) * 1024,
    node: value("node"),
    compression: lines.includes("zstd") ? "zstd" : "gzip",
    boot: lines.includes("boot"),
    runtime: lines.includes("runtime"),
    parts: new Map(parts),
    directory: value("directory"),
  };
}

/** Installs `node` in the agent's directory: a symlink to the host's own Node if it is recent enough, else ours. */
async function sendRuntime(
  parent: Connection,
  facts: Facts,
  artifacts: AgentArtifacts,
  progress: (event: Progress) => void,
): Promise<void> {
  const link = `${shellQuote(facts.directory)}/node`;
  const [version = "0", own = ""] = facts.node.split(" ");
  if (Number.parseInt(version, 10) >= MIN_NODE) {
    await run(parent, `ln -sf ${shellQuote(own)} ${link}`);
    return;
  }
  const runtime = await artifacts.runtime(facts.uname, facts.compression);
  const { compressed, sha256 } = runtime;
  const file = `${facts.directory}/runtime/${runtime.id}-${sha256.slice(0, 16)}`;
  const part = `${file}.${compressed.size}.${facts.compression}.part`;
  const resumeAt = Math.min(facts.parts.get(part) ?? 0, compressed.size);
  const needed = runtime.size + compressed.size - resumeAt + SPACE_MARGIN;
  if (facts.free < needed) {
    throw new ConsfigError(
      `not enough disk space for the runtime: ${facts.directory} has ${megabytes(facts.free)} free and needs ${megabytes(needed)}; free some space, or remove via.agent()`,
    );
  }
  for (let from = resumeAt; ; from = 0) {
    const paths = { part, file, link };
    const error = await upload(parent, runtime, facts.compression, paths, from, progress);
    if (error === undefined) return;
    if (from === 0 || !error.includes(CORRUPT_UPLOAD))
      throw new ConsfigError(`cannot upload the runtime: ${error}`);
    progress({
      kind: "notice",
      text: "the partial runtime on the host is corrupt; uploading all of it again",
    });
  }
}

async function sendBoot(
  parent: Connection,
  { directory }: Facts,
  boot: { hash: string; code: Buffer },
): Promise<void> {
  const file = `${shellQuote(directory)}/boot/${boot.hash}.js`;
  const others = `${shellQuote(directory)}/boot/*.js`;
  await run(
    parent,
    `umask 077; cat >${file}.$$ && chmod 644 ${file}.$$ && mv -f ${file}.$$ ${file} && find ${others} -mtime +30 -exec rm -f {} +`,
    boot.code,
  );
}

/** Runs `command` and returns its output. */
async function run(parent: Connection, command: string, input?: Buffer): Promise<string> {
  const channel = await parent.exec(command);
  channel.stdin.end(input);
  const [output, stderr, exit] = await Promise.all([
    text(channel.stdout),
    text(channel.stderr),
    channel.exit,
  ]);
  if (exit !== 0) {
    const errors = stderr.trim();
    throw new ConsfigError(
      /No space left/.test(errors)
        ? `no space left on the host: ${errors.split("\n").at(-1)}`
        : errors || `a bootstrap command of the agent exited with code ${exit}`,
    );
  }
  return output;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MB`;
