import type { AgentArtifacts, Compression } from "../../model/agent-artifacts";
import type { Channel, Connection } from "../../model/connection";
import { ConsfigError } from "../../model/errors";
import type { Progress } from "../../model/events";
import { cleanReason } from "../../model/host-events";
import { readText } from "../../util/read-text";
import { shellQuote } from "../../util/shell-quote";
import { BANNER } from "../shared/messages";
import { NODE_FLAGS } from "../shared/process";
import { APT_HELPER, DOWNLOAD_SPACE } from "./_download";
import type { Pace } from "./_pace";
import { CORRUPT_UPLOAD, upload } from "./_upload";
import { AGENT_DIRECTORY } from "./running";

/** The oldest Node on a host that is used instead of ours. */
const MIN_NODE = 24;
/** Free space required on a host besides the runtime, in bytes: for sources and journals. */
const SPACE_MARGIN = 20 * 1024 * 1024;
/** What a host may print before the agent answers, in bytes, and how long it may take. */
const MAX_OUTPUT = 1024 * 1024;
const BANNER_TIMEOUT_MS = 60_000;
/** The first line of the facts printed by a host that has no agent yet. */
const FACTS_HEADER = "consfigurator-bare";
/** The line after those that tell whether a runtime is to be sent. */
const DECIDED = "\ndecided\n";

/** Facts of a host without an agent. */
interface Facts {
  readonly uname: string;
  readonly free: number;
  readonly node: string;
  readonly compression: Compression;
  readonly boot: boolean;
  readonly runtime: boolean;
  /** Programs in the directory cannot be run. */
  readonly noexec: boolean;
  /** Sizes of partial uploads of runtimes, by file. */
  readonly parts: ReadonlyMap<string, number>;
  readonly directory: string;
}

/** How a runtime is sent to a host that is in use meanwhile. */
interface FirstContact {
  /** Called as soon as it is known that a runtime is to be sent. */
  onBare(): void;
  readonly pace: Pace;
  /** Where the host may download the runtime itself. */
  readonly registry?: string | undefined;
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
  first?: FirstContact,
): Promise<Channel> {
  const boot = await artifacts.boot();
  const script = relayScript(boot.hash, parent.local ? process.execPath : undefined);
  let repaired = false;
  let sent = false;
  for (let attempt = 0; attempt < 4; attempt++) {
    // Nothing is sent before the banner.
    const channel = await parent.exec(script, { startsAtOnce: true });
    const output = await initialOutput(channel, BANNER_TIMEOUT_MS, (printed) => {
      if (printed.includes(DECIDED) && needsRuntime(factsFrom(printed))) first?.onBare();
    });
    if (output.endsWith(BANNER)) return channel;
    const [, refusal] = REFUSAL.exec(output) ?? [];
    if (refusal !== undefined) throw new ConsfigError(refusal);
    if (!output.includes(FACTS_HEADER)) {
      const exit = await channel.exit;
      const removed = repaired ? "" : await run(parent, REMOVE_CORRUPT);
      if (removed === "")
        throw new ConsfigError(
          `the agent did not start: ${cleanReason(output.trim()) || `exit code ${exit}`}`,
        );
      repaired = true;
      progress({
        kind: "notice",
        text: `corrupt files on the host, uploading them again: ${removed.trim().split("\n").join(", ")}`,
      });
      continue;
    }
    const facts = factsFrom(output);
    if (sent && !facts.runtime) break;
    sent = true;
    await Promise.all([
      facts.runtime ? undefined : sendRuntime(parent, facts, artifacts, progress, first),
      facts.boot ? undefined : sendBoot(parent, facts, boot),
    ]);
  }
  throw new ConsfigError(
    "the agent's files were uploaded, but the host no longer has them; set XDG_CACHE_HOME on the host to a directory that keeps its files, or remove via.agent()",
  );
}

/** The first word of the line that explains why the host's directory cannot be used. */
const REFUSED = "consfigurator-refused";
const REFUSAL = new RegExp(`^${REFUSED} (.*)$`, "m");

/**
 * What is in $d is run: it must be ours, and nobody but us and root may be able to exchange it. Owners that a user namespace
 * does not map, 65534, are those of the machine around it.
 */
const REFUSE_STRANGERS = `LC_ALL=C; export LC_ALL
refuse() { echo; echo "${REFUSED} $1; $2, set XDG_CACHE_HOME on the host to another directory, or remove via.agent()"; exit 1; }
said=$(mkdir -p "$d" 2>&1) || refuse "cannot make the agent's directory $d: \${said##*: }" "make its file system writable"
p=$(cd -P "$d" && pwd) || refuse "cannot enter the agent's directory $d" "give it to the user that the agent runs as"
q=$p; set --; while [ -n "$q" ]; do set -- "$@" "$q"; q=\${q%/*}; done
said=$(ls -ldn "$@" / | while read -r mode _ uid _ _ _ _ _ name; do
  [ -O "$name" ] || { [ "$name" != "$p" ] && { [ "$uid" = 0 ] || [ "$uid" = 65534 ]; }; } || { echo "$name belongs to uid $uid"; break; }
  case $mode in ????????w[!tT]*) echo "other users can write to $name"; break ;; esac
  case $name:$mode in "$p":drwx--[-S]---*) ;; "$p":*) echo "$name has the mode $mode instead of drwx------"; break ;; esac
done)
[ -z "$said" ] || refuse "the agent's directory $d is refused: $said, and $(id -un) would run what is in it" "remove it"
[ -w "$d" ] || refuse "the agent's directory $d is on a read-only file system" "make it writable"`;

/** Becomes the relay when the host has all files; otherwise prints the facts of the host. */
function relayScript(boot: string, ownNode: string | undefined): string {
  const flags = NODE_FLAGS.join(" ");
  return `umask 077; d=${AGENT_DIRECTORY}
${REFUSE_STRANGERS}
${ownNode ? `[ -x "$d/node" ] || { mkdir -p "$d" && [ -x ${shellQuote(ownNode)} ] && ln -sf ${shellQuote(ownNode)} "$d/node"; }` : ":"}
[ -x "$d/node" ] && [ -f "$d/boot/${boot}.js" ] && exec "$d/node" ${flags} "$d/boot/${boot}.js" relay
mkdir -p "$d/boot" "$d/runtime" || exit 1
echo; echo ${FACTS_HEADER}
[ -x "$d/node" ] && echo runtime
echo "node $(command -v node >/dev/null 2>&1 && node -p 'process.versions.node + " " + process.execPath')"
echo decided
find "$d/boot" "$d/runtime" -type f \\( -name "*.js.[0-9]*" -o -name "*.tmp*" \\) -mtime +0 -exec rm -f {} + 2>/dev/null
echo "uname $(uname -sm)"
df -Pk "$d" | { read -r _; read -r _ _ _ free _; echo "free $free"; }
{ command -v zstd || [ -x ${APT_HELPER} ]; } >/dev/null 2>&1 && echo zstd
t=$d/boot/.program.$$; echo "#!/bin/sh" >"$t" && chmod 700 "$t" && { "$t" || echo noexec; } 2>/dev/null; rm -f "$t"
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

/**
 * The output up to the banner, or all of it when there is no banner. `onOutput` is called with what has been printed so
 * far. Exported for tests.
 */
export function initialOutput(
  channel: Channel,
  timeoutMs = BANNER_TIMEOUT_MS,
  onOutput: (printed: string) => void = () => {},
): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    const giveUp = (message: string) => {
      channel.stdout.off("readable", read);
      reject(new ConsfigError(message));
      channel.kill("SIGKILL");
    };
    const timeout = setTimeout(
      () => giveUp(`the agent did not start within ${timeoutMs / 1000} s${endOf(output + errors)}`),
      timeoutMs,
    );
    const settled = () => clearTimeout(timeout);
    channel.exit.then(settled, settled);
    let output = "";
    let errors = "";
    channel.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2000);
    });
    const read = () => {
      for (let chunk: Buffer | null = channel.stdout.read(); chunk; chunk = channel.stdout.read()) {
        const searched = Math.max(0, output.length - BANNER.length);
        output += chunk.toString("latin1");
        const at = output.indexOf(BANNER, searched);
        if (at < 0 && output.length > MAX_OUTPUT)
          return giveUp(
            `the host printed more than ${MAX_OUTPUT} bytes, and the agent did not start${endOf(output)}`,
          );
        if (at < 0) {
          onOutput(output);
          continue;
        }
        clearTimeout(timeout);
        const rest = output.slice(at + BANNER.length);
        channel.stdout.off("readable", read);
        if (rest) channel.stdout.unshift(Buffer.from(rest, "latin1"));
        return resolve(output.slice(0, at + BANNER.length));
      }
    };
    channel.stdout.on("readable", read);
    channel.exit.then(() => resolve(output + (output.includes(FACTS_HEADER) ? "" : errors)), reject);
  });
}

/** `; the host printed: …`, or nothing. */
function endOf(printed: string): string {
  const end = cleanReason(printed.slice(-2000)).trim().split("\n").slice(-3).join("\n");
  return end ? `; the host printed: ${end}` : "";
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
    noexec: lines.includes("noexec"),
    parts: new Map(parts),
    directory: value("directory"),
  };
}

/** Whether the host has neither a runtime nor a Node that is recent enough. */
const needsRuntime = ({ runtime, node }: Facts): boolean =>
  !runtime && !(Number.parseInt(node, 10) >= MIN_NODE);

/** Installs `node` in the agent's directory: a symlink to the host's own Node if it is recent enough, else ours. */
async function sendRuntime(
  parent: Connection,
  facts: Facts,
  artifacts: AgentArtifacts,
  progress: (event: Progress) => void,
  first?: FirstContact,
): Promise<void> {
  const link = `${shellQuote(facts.directory)}/node`;
  if (!needsRuntime(facts)) {
    const [, own = ""] = facts.node.split(" ");
    await run(parent, `ln -sf ${shellQuote(own)} ${link}`);
    return;
  }
  if (facts.noexec) {
    throw new ConsfigError(
      `no program can be run in the agent's directory ${facts.directory}: its file system is mounted noexec; install Node ${MIN_NODE} on the host, set XDG_CACHE_HOME there to a directory on another file system, or remove via.agent()`,
    );
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
  const hasRoom = facts.free >= needed + DOWNLOAD_SPACE * runtime.size;
  const url = hasRoom && first?.registry && runtime.tarball && `${first.registry}/${runtime.tarball}`;
  for (let from = resumeAt; ; from = 0) {
    const options = { from, progress, pace: first?.pace, url: url || undefined };
    const error = await upload(parent, runtime, facts.compression, { part, file, link }, options);
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
  const channel = await parent.exec(`LC_ALL=C; export LC_ALL; ${command}`);
  channel.stdin.end(input);
  const [output, stderr, exit] = await Promise.all([
    readText(channel.stdout, MAX_OUTPUT),
    readText(channel.stderr, MAX_OUTPUT),
    channel.exit,
  ]).catch((error: Error) => {
    channel.kill("SIGKILL");
    throw new ConsfigError(`a bootstrap command of the agent failed: ${error.message}`, { cause: error });
  });
  if (exit !== 0) {
    const errors = stderr.trim();
    throw new ConsfigError(
      /No space left/.test(errors)
        ? `no space left on the host: ${cleanReason(errors.split("\n").at(-1) ?? "")}`
        : cleanReason(errors) || `a bootstrap command of the agent exited with code ${exit}`,
    );
  }
  return output;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MB`;
