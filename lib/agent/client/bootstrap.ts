import { createReadStream } from "node:fs";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { shellQuote } from "../../_quote";
import type { Channel, Connection } from "../../connection/connection";
import { ConnectionFailed, ConsfigError } from "../../errors";
import type { Progress } from "../../events";
import type { Kit } from "../kit";
import { BANNER } from "../messages";
import { NODE_FLAGS } from "../supervisor";
import type { Compression, Runtime } from "./runtime";

/** The oldest Node on a host that is good enough to be used instead of ours. */
const SUITABLE_NODE = 24;
/** What a host must have free besides the runtime itself, in bytes: sources, journals. */
const ELBOW_ROOM = 20 * 1024 * 1024;
/** The first words of a host that has no agent yet. */
const BARE = "consfigurator-bare";

/** What a bare host says of itself. */
interface Facts {
  readonly uname: string;
  readonly free: number;
  readonly node: string;
  readonly compression: Compression;
  readonly boot: boolean;
  readonly runtime: boolean;
  /** Bytes of a runtime of which a part arrived before. */
  readonly parts: ReadonlyMap<string, number>;
  readonly directory: string;
}

/**
 * Starts a relay over `parent`, and gives its channel, its banner already read. A host that has everything costs one
 * command; one that has nothing is sent the runtime and the boot file first.
 */
export async function startRelay(
  parent: Connection,
  kit: Kit,
  progress: (event: Progress) => void,
): Promise<Channel> {
  const boot = await kit.boot();
  const script = relayScript(boot.hash, parent.local ? process.execPath : undefined);
  for (let attempt = 0; attempt < 3; attempt++) {
    const channel = await parent.exec(script);
    const said = await firstWords(channel);
    if (said.endsWith(BANNER)) return channel;
    if (!said.includes(BARE))
      throw new ConsfigError(`the agent did not start: ${said.trim() || "no word from it"}`);
    const facts = factsFrom(said);
    if (!facts.runtime) await sendRuntime(parent, facts, kit, progress);
    if (!facts.boot) await sendBoot(parent, facts, boot);
  }
  throw new ConsfigError(
    "the agent's files were sent, and the host still does not have them; is its cache directory on a file system that forgets?",
  );
}

/** The agent's directory on a host, as shell text. */
export const AGENT_DIRECTORY = '"${XDG_CACHE_HOME:-${HOME:-$(echo ~)}/.cache}/consfigurator/agent"';

/** Becomes the relay when all is there; otherwise says what the host is. */
function relayScript(boot: string, ownNode: string | undefined): string {
  const flags = NODE_FLAGS.join(" ");
  return `umask 077; d=${AGENT_DIRECTORY}
${ownNode ? `[ -x "$d/node" ] || { mkdir -p "$d" && [ -x ${shellQuote(ownNode)} ] && ln -sf ${shellQuote(ownNode)} "$d/node"; }` : ":"}
[ -x "$d/node" ] && [ -f "$d/boot/${boot}.js" ] && exec "$d/node" ${flags} "$d/boot/${boot}.js" relay
mkdir -p "$d/boot" "$d/runtime" && chmod 700 "$d" || exit 1
echo; echo ${BARE}
echo "uname $(uname -sm)"
echo "free $(df -Pk "$d" | awk 'NR == 2 { print $4 }')"
echo "node $(command -v node >/dev/null 2>&1 && node -p 'process.versions.node + " " + process.execPath')"
command -v zstd >/dev/null 2>&1 && echo zstd
[ -x "$d/node" ] && echo runtime
[ -f "$d/boot/${boot}.js" ] && echo boot
for p in "$d"/runtime/*.part; do [ -f "$p" ] && echo "part $(wc -c <"$p") $p"; done
echo "directory $d"; echo end`;
}

/** All that is said up to the banner, or up to the end. */
function firstWords(channel: Channel): Promise<string> {
  return new Promise((settled, failed) => {
    let said = "";
    let complaints = "";
    channel.stderr.on("data", (chunk: Buffer) => {
      complaints = (complaints + chunk.toString()).slice(-2000);
    });
    const hear = () => {
      for (let chunk: Buffer | null = channel.stdout.read(); chunk; chunk = channel.stdout.read()) {
        said += chunk.toString("latin1");
        const at = said.indexOf(BANNER);
        if (at < 0) continue;
        const rest = said.slice(at + BANNER.length);
        channel.stdout.off("readable", hear);
        if (rest) channel.stdout.unshift(Buffer.from(rest, "latin1"));
        return settled(said.slice(0, at + BANNER.length));
      }
    };
    channel.stdout.on("readable", hear);
    channel.exit.then(() => settled(said + (said.includes(BARE) ? "" : complaints)), failed);
  });
}

function factsFrom(said: string): Facts {
  const lines = said.slice(said.indexOf(BARE)).split("\n");
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

/** `node` in the agent's directory is a Node that works: the host's own if it is good enough, else ours. */
async function sendRuntime(
  parent: Connection,
  facts: Facts,
  kit: Kit,
  progress: (event: Progress) => void,
): Promise<void> {
  const link = `${shellQuote(facts.directory)}/node`;
  const [version = "0", own = ""] = facts.node.split(" ");
  if (Number.parseInt(version, 10) >= SUITABLE_NODE) {
    await run(parent, `ln -sf ${shellQuote(own)} ${link}`);
    return;
  }
  const runtime = await kit.runtime(facts.uname, facts.compression);
  const file = `${facts.directory}/runtime/${runtime.id}`;
  const part = `${file}.${facts.compression}.part`;
  const here = Math.min(facts.parts.get(part) ?? 0, runtime.compressed.size);
  const needed = runtime.size + runtime.compressed.size - here + ELBOW_ROOM;
  if (facts.free < needed) {
    throw new ConsfigError(
      `no space for the runtime: ${facts.directory} has ${megabytes(facts.free)} free and needs ${megabytes(needed)}; free some, or leave out via.agent()`,
    );
  }
  await upload(parent, receiveScript(part, file, runtime, facts.compression, link), runtime, here, progress);
}

/**
 * Two that send at once do it one after the other. What came before is kept in the part, so that an upload that was broken off goes on where it stopped. The binary gets
 * its name only when its hash is right; a part that leads to another hash is thrown away.
 */
function receiveScript(
  part: string,
  file: string,
  runtime: Runtime,
  compression: Compression,
  link: string,
): string {
  const [p, f] = [shellQuote(part), shellQuote(file)];
  return `umask 077; t=${f}.$$; trap 'rm -f "$t"' EXIT; trap 'exit 1' HUP INT TERM
if command -v flock >/dev/null 2>&1; then exec 8>${f}.lock; flock 8; fi
[ -x ${f} ] && { cat >/dev/null; ln -sf ${f} ${link}; exit 0; }
rm -f ${f}.[0-9]*; touch ${p} && sum=$({ cat ${p}; tee -a ${p}; } | ${compression} -dc | tee "$t" | sha256sum) || exit 1
[ "\${sum%% *}" = ${runtime.sha256} ] || { [ "$(wc -c <${p})" -ge ${runtime.compressed.size} ] && rm -f ${p}; echo "the runtime arrived broken: sha256 \${sum%% *}" >&2; exit 1; }
chmod 755 "$t" && mv -f "$t" ${f} && rm -f ${p} && ln -sf ${f} ${link}`;
}

async function upload(
  parent: Connection,
  script: string,
  runtime: Runtime,
  from: number,
  progress: (event: Progress) => void,
): Promise<void> {
  const { file, size } = runtime.compressed;
  const channel = await parent.exec(script);
  let sent = from;
  const source = createReadStream(file, { start: from, highWaterMark: 256 * 1024 });
  source.on("data", (chunk) => {
    sent += chunk.length;
    progress({ kind: "upload", what: `Node ${runtime.id}`, sent, total: size });
  });
  const complaint = text(channel.stderr);
  channel.stdout.resume();
  await pipeline(source, channel.stdin).catch(() => {});
  const exit = await channel.exit;
  if (exit !== 0)
    throw new ConsfigError(
      `the runtime could not be put on the host: ${(await complaint).trim() || `exit code ${exit}`}`,
    );
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

async function run(parent: Connection, command: string, input?: Buffer): Promise<void> {
  const channel = await parent.exec(command);
  channel.stdout.resume();
  channel.stdin.end(input);
  const [complaint, exit] = await Promise.all([text(channel.stderr), channel.exit]);
  if (exit !== 0)
    throw new ConnectionFailed(
      "via.agent()",
      complaint.trim() || `\`${command}\` ended with exit code ${exit}`,
    );
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MB`;
