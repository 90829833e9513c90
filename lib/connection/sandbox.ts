import { execFile, spawn, spawnSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import type { Connection } from "../model/connection";
import { ConnectionFailed, ConsfigError } from "../model/errors";
import { defhop } from "../model/hop";
import { object, optional, string } from "../model/schema";
import { ROOT_ENVIRONMENT } from "../util/login-environment";
import { cacheHome } from "../util/package";
import { shellQuote } from "../util/shell-quote";
import { localConnection } from "./local";

const HOP = "via.sandbox()";

/**
 * A copy-on-write clone of this very machine: its files, in mount and process namespaces of its own. What is changed
 * there is changed nowhere else, and gone when the session ends unless it is kept. Where namespaces are not to be had,
 * a scratch home directory.
 */
export const sandbox = defhop({
  name: "sandbox",
  args: object({ name: optional(string({ pattern: "^[a-z0-9-]{1,32}$", description: "a short name" })) }),
  first: true,
  open: async ({ name = "sandbox" }, { progress }) => {
    const reason = whyNoClone();
    if (reason === undefined) return cloneConnection(await clone(name));
    const home = scratchHome(name);
    progress({
      kind: "notice",
      text: `no clone of this machine here (${reason}): using the scratch home directory ${home}`,
    });
    return scratchConnection(home);
  },
});

/** One clone, by the process that holds its namespaces. */
interface Clone {
  readonly name: string;
  /** As this machine counts; it is 1 inside. */
  readonly pid: number;
  /** Where the overlay's directories are, seen from the namespace. */
  readonly directory: string;
  /** Tells the holder to stay when we go; only for one that we started. */
  readonly keep?: () => void;
}

/** One path that differs from this machine's. */
export interface SandboxChange {
  readonly path: string;
  readonly change: "added" | "changed" | "deleted";
}

/** Whether `via.sandbox()` gives a clone of this machine here, and not just a scratch home directory. */
export const canClone = (): boolean => whyNoClone() === undefined;

let noClone: { readonly reason: string | undefined } | undefined;

/** Why no clone can be made here, in half a sentence; undefined when it can. */
export function whyNoClone(): string | undefined {
  noClone ??= { reason: findObstacle() };
  return noClone.reason;
}

function findObstacle(): string | undefined {
  if (process.platform !== "linux") return "it takes Linux";
  if (userInfo().uid !== 0) return "it takes root";
  const { status, stderr, error } = spawnSync("unshare", ["--mount", "--pid", "--fork", "true"], {
    encoding: "utf8",
  });
  if (error) return "it takes unshare(1) of util-linux";
  return status === 0 ? undefined : stderr.trim();
}

const clones = new Map<string, Promise<Clone>>();

/** The clone called `name`: ours, or one that an earlier session kept; made unless it is there and alive. */
async function clone(name: string): Promise<Clone> {
  const known = await clones.get(name);
  if (known && isAlive(known.pid)) return known;
  const made = Promise.resolve(keptClone(name) ?? makeClone(name));
  clones.set(name, made);
  made.catch(() => clones.delete(name));
  return made;
}

/** Each clone mounts its own here, in its own namespace: one place serves all of them, and nothing is left behind. */
function mountPoint(): string {
  const directory = path.join(cacheHome, "sandbox");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/**
 * Runs as process 1 of the clone. It says that it is ready only once its root is the clone: whoever entered it before would
 * stand on this very machine. It ends, and everything with it, when its input does, unless it is told to stay.
 */
const HOLDER = `set -e
d=$1
mount -t tmpfs -o mode=0700,size=75% consfigurator "$d"
mkdir "$d/upper" "$d/work" "$d/root"
mount -t overlay -o "lowerdir=/,upperdir=$d/upper,workdir=$d/work" overlay "$d/root"
r=$d/root
n=0
while read -r _ m t _; do
  case $t in ext2|ext3|ext4|xfs|btrfs|zfs|f2fs) ;; *) continue ;; esac
  case $m in /|"$d"*) continue ;; esac
  n=$((n + 1)); mkdir "$d/upper.$n" "$d/work.$n"
  [ -d "$m" ] && mount -t overlay -o "lowerdir=$m,upperdir=$d/upper.$n,workdir=$d/work.$n" overlay "$r$m" 2>/dev/null && printf %s "$m" >"$d/upper.$n.of" || mount --bind -o ro "$m" "$r$m" || true
done </proc/self/mounts
resolv=$(cat /etc/resolv.conf 2>/dev/null || true)
pid=$(cut -d" " -f4 /proc/self/stat)
mount -t proc proc "$r/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$r/sys" || true
mount -t tmpfs -o mode=0755,nosuid tmpfs "$r/dev"
for f in null zero full random urandom tty; do touch "$r/dev/$f"; mount --bind "/dev/$f" "$r/dev/$f"; done
mkdir "$r/dev/pts" "$r/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$r/dev/pts"
ln -s pts/ptmx "$r/dev/ptmx"; ln -s /proc/self/fd "$r/dev/fd"
ln -s fd/0 "$r/dev/stdin"; ln -s fd/1 "$r/dev/stdout"; ln -s fd/2 "$r/dev/stderr"
mount -t tmpfs -o mode=1777 tmpfs "$r/dev/shm"
mount -t tmpfs -o mode=0755,nosuid tmpfs "$r/run"; mkdir -p "$r/run/lock"
mount -t tmpfs -o mode=1777 tmpfs "$r/tmp"
link=$(readlink -m "$r/etc/resolv.conf" 2>/dev/null || true)
case $link in "$r"/run/*|/run/*) l=\${link#"$r"}; mkdir -p "$r\${l%/*}"; printf '%s\\n' "$resolv" >"$r$l" ;; esac
printf '#!/bin/sh\\nexit 101\\n' >"$r/usr/sbin/policy-rc.d"; chmod 755 "$r/usr/sbin/policy-rc.d"
exec chroot "$r" /bin/sh -c 'echo "ready $0"; read -r word && [ "$word" = keep ] && exec sleep infinity </dev/null >/dev/null 2>&1' "$pid"`;

async function makeClone(name: string): Promise<Clone> {
  const directory = mountPoint();
  const holder = spawn(
    "unshare",
    ["--mount", "--pid", "--fork", "--propagation", "private", "/bin/sh", "-c", HOLDER, "sh", directory],
    {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    },
  );
  holder.stdin.on("error", () => {});
  holder.once("exit", () => clones.delete(name));
  const complaint = text(holder.stderr);
  const pid = await new Promise<number>((settled, failed) => {
    let said = "";
    holder.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const ready = /ready (\d+)\n/.exec(said);
      if (ready) settled(Number(ready[1]));
    });
    holder.once("exit", () =>
      complaint.then((why) =>
        failed(new ConnectionFailed(HOP, why.trim() || "its namespaces could not be made")),
      ),
    );
  });
  holder.unref();
  for (const stream of [holder.stdin, holder.stdout, holder.stderr])
    if ("unref" in stream) (stream.unref as () => void)();
  return { name, pid, directory, keep: () => void holder.stdin.write("keep\n") };
}

const inside = ({ pid }: Clone) => [
  "--target",
  String(pid),
  "--mount",
  "--pid",
  `--root=/proc/${pid}/root`,
  `--wd=/proc/${pid}/root/root`,
];

/** The clone outlives its connections: the next deployment finds what this one did. */
function cloneConnection(made: Clone): Connection {
  const outer = localConnection(HOP);
  const environment = `env -i ${ROOT_ENVIRONMENT} LANG=C.UTF-8`;
  return {
    description: HOP,
    local: true,
    get alive() {
      return outer.alive && isAlive(made.pid);
    },
    closed: outer.closed,
    exec: (command) =>
      outer.exec(`exec nsenter ${inside(made).join(" ")} ${environment} /bin/sh -c ${shellQuote(command)}`),
    close: () => outer.close(),
  };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

function scratchHome(name: string): string {
  const home = path.join(tmpdir(), `consfigurator-${userInfo().uid}-${name}`);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  chmodSync(home, 0o700);
  return home;
}

function scratchConnection(home: string): Connection {
  const outer = localConnection(HOP);
  return {
    description: HOP,
    local: true,
    get alive() {
      return outer.alive;
    },
    closed: outer.closed,
    close: () => outer.close(),
    exec: (command) =>
      outer.exec(`HOME=${shellQuote(home)}; unset XDG_CACHE_HOME; export HOME; cd "$HOME" && ${command}`),
  };
}

/** The clone called `name`, which must be there. */
async function existing(name: string): Promise<Clone> {
  const made = clones.get(name) ?? keptClone(name);
  if (!made) throw new ConsfigError(`there is no sandbox "${name}"; deploy to it first: deploy(sandbox)`);
  return made;
}

/** What differs in the clone from this machine, by path; our own files left out. */
export async function sandboxDiff(name = "sandbox"): Promise<SandboxChange[]> {
  const { pid, directory } = await existing(name);
  const { stdout } = await promisify(execFile)(
    "nsenter",
    ["--target", String(pid), "--mount", "/bin/sh", "-c", LIST_CHANGES, "sh", directory],
    { maxBuffer: 256 << 20 },
  );
  return stdout
    .split("\0")
    .filter(Boolean)
    .map((entry) => ({ type: entry[0], path: entry.slice(2).replaceAll(/^\/\//g, "/") }))
    .map(
      ({ type, path: place }): SandboxChange => ({
        path: place,
        // The overlay marks what was deleted by a character device.
        change: type === "c" ? "deleted" : lstatSync(place, { throwIfNoEntry: false }) ? "changed" : "added",
      }),
    )
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Lists each overlay's upper directory below the place that it is of. */
const LIST_CHANGES = `d=$1
for u in "$d"/upper "$d"/upper.*[0-9]; do
  [ -d "$u" ] || continue
  of=$(cat "$u.of" 2>/dev/null || true)
  cd "$u" && find . -mindepth 1 \\( -path ./root/.cache/consfigurator -o -path ./usr/sbin/policy-rc.d \\) -prune -o \\( ! -type d -o -empty \\) -printf "%y $of/%P\\0"
done`;

/** The clone goes with everything in it. */
export async function discardSandbox(name = "sandbox"): Promise<void> {
  const { pid } = await existing(name);
  clones.delete(name);
  rmSync(stateFile(name), { force: true });
  process.kill(pid, "SIGKILL");
}

/** The clone stays when this session ends, until it is discarded or this machine is rebooted. */
export async function keepSandbox(name = "sandbox"): Promise<void> {
  const { keep, pid, directory } = await existing(name);
  if (!keep) return;
  keep();
  mkdirSync(path.dirname(stateFile(name)), { recursive: true, mode: 0o700 });
  writeFileSync(stateFile(name), JSON.stringify({ pid, directory, born: born(pid) }), { mode: 0o600 });
}

const stateFile = (name: string): string => path.join("/run/consfigurator", `sandbox-${name}.json`);

function keptClone(name: string): Clone | undefined {
  try {
    const {
      pid,
      directory,
      born: then,
    } = JSON.parse(readFileSync(stateFile(name), "utf8")) as { pid: number; directory: string; born: string };
    return born(pid) === then ? { name, pid, directory } : undefined;
  } catch {
    return undefined;
  }
}

/** When a process was started: with its number, it names it for ever. */
function born(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")")).split(" ")[20];
}
