/** A property that looks for data it must not see, and a machine with a chroot to look from. */
import type { Report } from "../../../lib/model/report";
import { base } from "../../support/_base";
import { type Rig, rig } from "./_rig";

/** `properties/spy.ts` of the consfig. The searched words are disguised, so that the search does not find itself. */
const spy = `import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { connect } from "node:net";
import { defprop, schema } from "consfigurator";

/** Reports what it sees of other processes, and whether memory, command lines or environments contain the words. */
export const looks = defprop({
  name: "spy.looks",
  kind: "agent",
  args: schema.object({ words: schema.list(schema.string()) }),
  call: (...words: string[]) => ({ words }),
  desc: () => "looks around",
  apply: async ({ words }, target) => {
    const wanted = words.map((word) => Buffer.from(word, "hex"));
    const pids = await stayingPids();
    const own = ownPids();
    const others = pids.filter((pid) => !own.has(pid));
    target.inform(JSON.stringify({
      uid: process.getuid?.(),
      user: process.env.USER,
      cwd: process.cwd(),
      root: process.getuid?.() === 0 ? readlinkSync("/proc/self/root") : "",
      pids: pids.length,
      open: others.filter((pid) => ["mem", "environ", "maps"].some((file) => opens("/proc/" + pid + "/" + file))),
      listed: others.filter((pid) => names("/proc/" + pid + "/fd").length > 0),
      found: wanted.map((word) => inMemory(word)),
      exposed: pids.some((pid) => wanted.some((word) => at(read("/proc/" + pid + "/cmdline"), word) || at(read("/proc/" + pid + "/environ"), word))),
      variables: Object.keys(process.env).sort(),
      descriptors: names("/proc/self/fd").map((fd) => link("/proc/self/fd/" + fd)).filter((to) => !/^(\\/dev\\/null|anon_inode:|pipe:|socket:|\\/proc\\/\\d+\\/fd)/.test(to) && to !== ""),
      caches: names("/root/.cache/consfigurator"),
      sockets: await reachable(),
      mounts: read("/proc/self/mounts").toString().split("\\n").length - 1,
      facts: target.host.toJSON?.(),
    }) + "\\n");
    return "changed";
  },
});

/** Requires data of this name, which only workers that need it may see, and sets a fact that all may see. */
export const needs = defprop({
  name: "spy.needs",
  kind: "posix",
  args: schema.object({ what: schema.string() }),
  call: (what: string) => ({ what }),
  hostattrs: ({ what }, host) => {
    host.requireData("_test", what);
    host.push({ key: "spy/fact" }, "known to all");
  },
});

/** Reports the user at the end of the deployment. */
export const atEnd = defprop({
  name: "spy.atEnd",
  kind: "posix",
  args: schema.object({ what: schema.string() }),
  call: (what: string) => ({ what }),
  desc: ({ what }) => what + " later",
  apply: async ({ what }, target) => {
    target.atEnd(what, async (then) => then.inform(what + " as " + (await then.identity()).user + "\\n"));
    return "unchanged";
  },
});

function names(directory: string): string[] {
  try { return readdirSync(directory); } catch { return []; }
}
function read(file: string): Buffer {
  try { return readFileSync(file); } catch { return Buffer.alloc(0); }
}
function link(file: string): string {
  try { return readlinkSync(file); } catch { return ""; }
}
function opens(file: string): boolean {
  try { closeSync(openSync(file, "r")); return true; } catch { return false; }
}

/** The third number after the name of the program. */
function sessionOf(pid: string): string {
  const stat = read("/proc/" + pid + "/stat").toString();
  return stat.slice(stat.lastIndexOf(")")).split(" ")[4] ?? "";
}

/** The sessions of the processes that hold the lock of this host for us. */
function holderSessions(): Set<string> {
  return new Set(names("/proc").filter((pid) => read("/proc/" + pid + "/cmdline").includes("consfigurator-holds")).map(sessionOf));
}

function presentPids(): string[] {
  const holders = holderSessions();
  return names("/proc").filter((name) => /^\\d+$/.test(name) && !holders.has(sessionOf(name)));
}

/** Those that are about neither to hold the lock nor to end. */
async function stayingPids(): Promise<string[]> {
  let pids = presentPids();
  for (let looks = 0; looks < 50; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const again = new Set(presentPids());
    const staying = pids.filter((pid) => again.has(pid));
    if (staying.length === pids.length) break;
    pids = staying;
  }
  return pids;
}

/** Our own process, by both its names. */
function ownPids(): Set<string> {
  return new Set([String(process.pid), "self"]);
}

/** Undisguises the word byte by byte, so that it is never in memory as a whole. */
function at(bytes: Buffer, word: Buffer): boolean {
  const first = (word[0] ?? 0) ^ 0x55;
  for (let start = bytes.indexOf(first); start >= 0; start = bytes.indexOf(first, start + 1)) {
    let same = 1;
    while (same < word.length && bytes[start + same] === ((word[same] ?? 0) ^ 0x55)) same += 1;
    if (same === word.length) return true;
  }
  return false;
}

function inMemory(word: Buffer): boolean {
  const memory = openSync("/proc/self/mem", "r");
  const buffer = Buffer.alloc(1 << 20);
  try {
    for (const line of read("/proc/self/maps").toString().split("\\n")) {
      const [, from = "0", to = "0", flags = ""] = /^([0-9a-f]+)-([0-9a-f]+) (\\S+)/.exec(line) ?? [];
      if (!flags.startsWith("rw")) continue;
      for (let position = BigInt("0x" + from); position < BigInt("0x" + to); position += BigInt(buffer.length - 64)) {
        try {
          const length = readSync(memory, buffer, 0, buffer.length, position);
          if (at(buffer.subarray(0, length), word)) return true;
        } catch { break; }
      }
    }
    return false;
  } finally {
    buffer.fill(0);
    closeSync(memory);
  }
}

/** The sockets, of the machine or of an agent, that accept our connection. */
async function reachable(): Promise<string[]> {
  const listed = read("/proc/net/unix").toString().split("\\n").map((line) => line.split(" ").at(-1) ?? "");
  const agents = listed.filter((name) => /^(supervisor|worker-)/.test(name));
  const directories = ["/root/.cache/consfigurator/agent/run", "/proc/1/cwd", "/proc/1/root/root/.cache/consfigurator/agent/run"];
  const tried = ["supervisor", ...agents].flatMap((name) => [name, ...directories.map((directory) => directory + "/" + name)]);
  const answers = await Promise.all(tried.map((name) => new Promise<string>((settled) => {
    const socket = connect(name);
    socket.once("connect", () => { socket.destroy(); settled(name); });
    socket.once("error", () => settled(""));
  })));
  return answers.filter(Boolean);
}
`;

/** The output of `spy.looks`. */
export interface Seen {
  readonly uid: number;
  readonly user: string;
  readonly cwd: string;
  readonly root: string;
  /** Number of visible processes, without those that hold the lock of the host. */
  readonly pids: number;
  /** Other processes whose memory, environment or maps can be opened. */
  readonly open: readonly string[];
  /** Other processes whose descriptors can be listed. */
  readonly listed: readonly string[];
  /** For each word: true when it is in our own memory. */
  readonly found: readonly boolean[];
  /** True when a word is in the command line or environment of a process. */
  readonly exposed: boolean;
  readonly variables: readonly string[];
  /** Open files other than pipes and sockets. */
  readonly descriptors: readonly string[];
  readonly caches: readonly string[];
  /** Sockets of an agent that accept our connection. */
  readonly sockets: readonly string[];
  readonly mounts: number;
  readonly facts: { readonly attributes: Readonly<Record<string, readonly unknown[]>> };
}

/** `word` in a form that does not contain it. */
export const disguised = (word: string): string =>
  Buffer.from(Buffer.from(word).map((byte) => byte ^ 0x55)).toString("hex");

export function seenIn(report: Report): Seen[] {
  return report.steps
    .filter(({ property }) => property === "spy.looks")
    .map(({ output }) => JSON.parse(output) as Seen);
}

/** A machine in which /srv/c is the root of another Debian. */
export async function rigWithChroot(): Promise<Rig> {
  const { root } = await base();
  const made = await rig({ nspawn: [`--overlay=${root}::/srv/c`] });
  made.write({ "properties/spy.ts": spy });
  return made;
}
