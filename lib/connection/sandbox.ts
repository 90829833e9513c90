import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import type { Connection } from "../model/connection";
import { ConnectionFailed, ConsfigError } from "../model/errors";
import { defhop } from "../model/hop";
import { object, optional, string } from "../model/schema";
import { ROOT_ENVIRONMENT } from "../util/login-environment";
import { refusalOf } from "../util/own-directory";
import { cacheHome } from "../util/package";
import { shellQuote } from "../util/shell-quote";
import { DEVICES, overlays, RUN_AND_TMP } from "./_clone-mounts";
import { type LayerChange, layerChanges } from "./clone-layers";
import { localConnection } from "./local";
import { wrapped } from "./wrapped";

const HOP = "via.sandbox()";

/**
 * Runs in a copy-on-write clone of this machine: its files, in separate mount and process namespaces. Changes stay in the
 * clone, and are discarded when the session ends unless the clone is kept. Where namespaces are not available, runs in a
 * scratch home directory.
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
      text: `cannot clone this machine (${reason}); using the scratch home directory ${home}`,
    });
    return scratchConnection(home);
  },
});

/** One clone, identified by the process that holds its namespaces. */
interface Clone {
  readonly name: string;
  /** The process ID on this machine; it is 1 inside. */
  readonly pid: number;
  /** The location of the overlay's directories, inside the mount namespace. */
  readonly directory: string;
  /** Settles when it has ended; undefined if another process started it. */
  readonly ended?: Promise<void>;
  /** Makes the holder outlive this process; undefined if another process started it. */
  readonly keep?: () => void;
}

/** True if `via.sandbox()` can clone this machine; false if it falls back to a scratch home directory. */
export const canClone = (): boolean => whyNoClone() === undefined;

let noClone: { readonly reason: string | undefined } | undefined;

/** Why this machine cannot be cloned; undefined when it can. */
export function whyNoClone(): string | undefined {
  noClone ??= { reason: findObstacle() };
  return noClone.reason;
}

function findObstacle(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (userInfo().uid !== 0) return "needs root";
  const { status, stderr, error } = spawnSync("unshare", ["--mount", "--pid", "--fork", "true"], {
    encoding: "utf8",
  });
  if (error) return "needs unshare(1) of util-linux";
  return status === 0 ? undefined : stderr.trim();
}

const clones = new Map<string, Promise<Clone>>();

/** The clone `name`: of this session, kept by an earlier one, or a new one. */
async function clone(name: string): Promise<Clone> {
  const known = await clones.get(name);
  if (known && isAlive(known.pid)) return known;
  const made = Promise.resolve(keptClone(name) ?? makeClone(name));
  clones.set(name, made);
  // By then the name may have been given to another clone.
  const forget = () => clones.get(name) === made && clones.delete(name);
  made.then(({ ended }) => void ended?.then(forget), forget);
  return made;
}

/** All clones mount here, each in its own namespace: one directory is enough, and nothing is left behind. */
function mountPoint(): string {
  const directory = path.join(cacheHome, "sandbox");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/**
 * Runs as process 1 of the clone. It prints "ready" only after its root has changed to the clone: commands entering it
 * earlier would run on this machine itself. At the end of its input it exits, and the clone with it, unless it reads "keep".
 */
const HOLDER = `set -e
d=$1
${overlays()}
resolv=$(cat /etc/resolv.conf 2>/dev/null || true)
pid=$(cut -d" " -f4 /proc/self/stat)
mount -t proc proc "$r/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$r/sys" || true
${DEVICES}
${RUN_AND_TMP}
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
  const ended = new Promise<void>((end) => holder.once("exit", () => end()));
  const errors = text(holder.stderr);
  const pid = await new Promise<number>((settled, failed) => {
    let output = "";
    holder.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const ready = /ready (\d+)\n/.exec(output);
      if (ready) settled(Number(ready[1]));
    });
    holder.once("exit", () =>
      errors.then((message) =>
        failed(new ConnectionFailed(HOP, message.trim() || "cannot create its namespaces")),
      ),
    );
  });
  holder.unref();
  for (const stream of [holder.stdin, holder.stdout, holder.stderr])
    if ("unref" in stream) (stream.unref as () => void)();
  return { name, pid, directory, ended, keep: () => void holder.stdin.write("keep\n") };
}

const nsenterFlags = ({ pid }: Clone) => [
  "--target",
  String(pid),
  "--mount",
  "--pid",
  `--root=/proc/${pid}/root`,
  `--wd=/proc/${pid}/root/root`,
];

/** The clone outlives its connections: the next deployment finds the changes of this one. */
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
      outer.exec(
        `exec nsenter ${nsenterFlags(made).join(" ")} ${environment} /bin/sh -c ${shellQuote(command)}`,
      ),
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
  const refusal = refusalOf(home);
  if (refusal !== undefined)
    throw new ConnectionFailed(HOP, `the scratch directory is refused: ${refusal}; remove it`);
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

/** The clone `name`. Throws `ConsfigError` when it does not exist. */
async function existing(name: string): Promise<Clone> {
  const made = clones.get(name) ?? keptClone(name);
  if (!made) throw new ConsfigError(`there is no sandbox "${name}"; deploy to it first: deploy(sandbox)`);
  return made;
}

/**
 * The differences between the clone and this machine, and `outside`, a shell from which both are seen: see `layerChanges`.
 * Without the file that inhibits services.
 */
export async function sandboxChanges(
  name = "sandbox",
): Promise<{ readonly outside: Connection; readonly changes: readonly LayerChange[] }> {
  const { pid, directory } = await existing(name);
  const outside = await wrapped(localConnection(HOP), HOP, {
    command: (command) =>
      `exec nsenter --target ${pid} --mount -- /bin/sh -c ${shellQuote(command)} ${shellQuote(directory)}`,
    otherFiles: true,
  });
  const changes = await layerChanges(outside);
  return { outside, changes: changes.filter(({ path }) => path !== "/usr/sbin/policy-rc.d") };
}

/** Kills everything that runs in the clone, and discards its files. */
export async function discardSandbox(name = "sandbox"): Promise<void> {
  const { pid } = await existing(name);
  clones.delete(name);
  rmSync(stateFile(name), { force: true });
  process.kill(pid, "SIGKILL");
}

/** Keeps the clone after this session ends, until it is discarded or this machine reboots. */
export async function keepSandbox(name = "sandbox"): Promise<void> {
  const { keep, pid, directory } = await existing(name);
  if (!keep) return;
  keep();
  mkdirSync(path.dirname(stateFile(name)), { recursive: true, mode: 0o700 });
  writeFileSync(stateFile(name), JSON.stringify({ pid, directory, born: startTime(pid) }), { mode: 0o600 });
}

const stateFile = (name: string): string => path.join("/run/consfigurator", `sandbox-${name}.json`);

function keptClone(name: string): Clone | undefined {
  try {
    const { pid, directory, born } = JSON.parse(readFileSync(stateFile(name), "utf8")) as {
      pid: number;
      directory: string;
      born: string;
    };
    return startTime(pid) === born ? { name, pid, directory } : undefined;
  } catch {
    return undefined;
  }
}

/** The start time of a process: unlike the ID alone, both together are never reused. */
function startTime(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")")).split(" ")[20];
}
