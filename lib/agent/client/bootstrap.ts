import { text } from "node:stream/consumers";
import type { AgentArtifacts, Compression } from "../../model/agent-artifacts";
import type { Channel, Connection } from "../../model/connection";
import { ConsfigError } from "../../model/errors";
import type { Progress } from "../../model/events";
import { shellQuote } from "../../util/shell-quote";
import { BANNER } from "../shared/messages";
import { NODE_FLAGS } from "../shared/process";
import { APT_HELPER, GARBAGE, upload } from "./_upload";

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
 * command; one that has nothing is sent the runtime and the boot file first. What turns out to be broken there is
 * thrown away and sent again, once.
 */
export async function startRelay(
  parent: Connection,
  kit: AgentArtifacts,
  progress: (event: Progress) => void,
): Promise<Channel> {
  const boot = await kit.boot();
  const script = relayScript(boot.hash, parent.local ? process.execPath : undefined);
  let mended = false;
  for (let attempt = 0; attempt < 4; attempt++) {
    const channel = await parent.exec(script);
    const said = await firstWords(channel);
    if (said.endsWith(BANNER)) return channel;
    if (!said.includes(BARE)) {
      const exit = await channel.exit;
      const found = mended ? "" : await run(parent, MEND);
      if (found === "")
        throw new ConsfigError(`the agent did not start: ${said.trim() || `exit code ${exit}`}`);
      mended = true;
      progress({
        kind: "notice",
        text: `broken on the host, sent again: ${found.trim().split("\n").join(", ")}`,
      });
      continue;
    }
    const facts = factsFrom(said);
    await Promise.all([
      facts.runtime ? undefined : sendRuntime(parent, facts, kit, progress),
      facts.boot ? undefined : sendBoot(parent, facts, boot),
    ]);
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
df -Pk "$d" | { read -r _; read -r _ _ _ free _; echo "free $free"; }
echo "node $(command -v node >/dev/null 2>&1 && node -p 'process.versions.node + " " + process.execPath')"
{ command -v zstd || [ -x ${APT_HELPER} ]; } >/dev/null 2>&1 && echo zstd
[ -x "$d/node" ] && echo runtime
[ -f "$d/boot/${boot}.js" ] && echo boot
for p in "$d"/runtime/*.part; do [ -f "$p" ] && echo "part $(wc -c <"$p") $p"; done
echo "directory $d"; echo end`;
}

/** Removes what is not what its name says, and names it: runtimes and boot files have their own hash in their names. */
const MEND = `d=${AGENT_DIRECTORY}; cd "$d" 2>/dev/null || exit 0
for f in boot/*.js runtime/*-[0-9a-f]*; do
  [ -f "$f" ] || continue; case $f in *.part | *.lock) continue ;; esac
  n=\${f##*[/-]}; n=\${n%.js}; s=$(sha256sum <"$f"); case $s in "$n"*) ;; *) rm -f "$f"; echo "$f" ;; esac
done
[ -x node ] && ! ./node -e 0 >/dev/null 2>&1 && { rm -f node; echo node; }; exit 0`;

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
  kit: AgentArtifacts,
  progress: (event: Progress) => void,
): Promise<void> {
  const link = `${shellQuote(facts.directory)}/node`;
  const [version = "0", own = ""] = facts.node.split(" ");
  if (Number.parseInt(version, 10) >= SUITABLE_NODE) {
    await run(parent, `ln -sf ${shellQuote(own)} ${link}`);
    return;
  }
  const runtime = await kit.runtime(facts.uname, facts.compression);
  const { compressed, sha256 } = runtime;
  const file = `${facts.directory}/runtime/${runtime.id}-${sha256.slice(0, 16)}`;
  const part = `${file}.${compressed.size}.${facts.compression}.part`;
  const here = Math.min(facts.parts.get(part) ?? 0, compressed.size);
  const needed = runtime.size + compressed.size - here + ELBOW_ROOM;
  if (facts.free < needed) {
    throw new ConsfigError(
      `no space for the runtime: ${facts.directory} has ${megabytes(facts.free)} free and needs ${megabytes(needed)}; free some, or leave out via.agent()`,
    );
  }
  for (let from = here; ; from = 0) {
    const places = { part, file, link };
    const complaint = await upload(parent, runtime, facts.compression, places, from, progress);
    if (complaint === undefined) return;
    if (from === 0 || !complaint.includes(GARBAGE))
      throw new ConsfigError(`the runtime could not be put on the host: ${complaint}`);
    progress({
      kind: "notice",
      text: "the part of the runtime that the host had was broken; all of it is sent again",
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

/** Runs `command` and gives what it prints. */
async function run(parent: Connection, command: string, input?: Buffer): Promise<string> {
  const channel = await parent.exec(command);
  channel.stdin.end(input);
  const [output, complaint, exit] = await Promise.all([
    text(channel.stdout),
    text(channel.stderr),
    channel.exit,
  ]);
  if (exit !== 0) {
    const said = complaint.trim();
    throw new ConsfigError(
      /No space left/.test(said)
        ? `no space left on the host: ${said.split("\n").at(-1)}`
        : said || `a command of the agent's bootstrap ended with exit code ${exit}`,
    );
  }
  return output;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MB`;
