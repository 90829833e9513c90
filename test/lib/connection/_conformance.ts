/** The checks that every chain of hops must pass. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { buffer, text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { controllerArtifacts } from "../../../lib/controller/artifacts";
import type { Channel, Connection } from "../../../lib/model/connection";
import { type Hop, hopDefinition } from "../../../lib/model/hop";
import { HostModel } from "../../../lib/model/host";
import { PIECE_BYTES } from "../../../lib/model/questions";
import { SecretStream } from "../../../lib/model/secret-stream";
import type { PosixTarget } from "../../../lib/model/target";
import { ShellTarget } from "../../../lib/target/shell/target";
import { until } from "../../support/until";
import { type Endpoint, HOST } from "./_contexts";

/** Open hops, each inside the one before. */
export interface Chain {
  readonly connection: Connection;
  /** Closes the hops, innermost first. */
  close(): Promise<void>;
}

/** Opens `hops` from `parent`, like a deployment. If one fails, closes them all. */
export async function openChain(parent: Connection, hops: readonly Hop[]): Promise<Chain> {
  const opened: Connection[] = [];
  const close = async () => {
    for (const connection of opened.reverse()) await connection.close();
  };
  try {
    for (const hop of hops) {
      const connection = await hopDefinition(hop).open(hop.args, {
        parent: opened.at(-1) ?? parent,
        artifacts: controllerArtifacts,
        host: HostModel.named(HOST),
        ask: undefined,
        signal: new AbortController().signal,
        progress: () => {},
      });
      opened.push(connection);
    }
    return { connection: opened.at(-1) ?? parent, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Subject {
  readonly chain: Chain;
  readonly connection: Connection;
  readonly target: PosixTarget;
  readonly endpoint: Endpoint;
  /** The absolute path of a directory at the end of the chain, to be made. */
  readonly dir: string;
  readonly extent: Extent;
}

/** Time limit of one check in milliseconds, so that the report names a check that hangs. */
const timeout = 120_000;

/** Which checks: what a chain does with commands, or also what the commands of a target do with files at its end. */
export type Extent = "commands" | "commands and files";

/** Runs the checks of `extent` on `chain`, each as a subtest, and closes the chain. */
export async function conforms(
  t: TestContext,
  chain: Chain,
  endpoint: Endpoint,
  extent: Extent,
): Promise<void> {
  const { connection } = chain;
  const target = targetOver(connection);
  const dir = `${endpoint.home}/conformance-${randomBytes(6).toString("hex")}`;
  const subject: Subject = { chain, connection, target, endpoint, dir, extent };
  const check = async (all: Checks) => {
    for (const [name, act] of Object.entries(all)) await t.test(name, { timeout }, () => act(subject));
  };
  try {
    await check(commandChecks);
    if (extent === "commands and files") await check(fileChecks);
    await t.test("close kills running commands", { timeout }, () => closing(subject));
  } finally {
    await chain.close();
  }
}

export function targetOver(connection: Connection, signal = new AbortController().signal): PosixTarget {
  return new ShellTarget(connection, {
    host: HostModel.named(HOST),
    signal,
    output: () => {},
    atEnd: () => {},
    memory: new Map(),
  });
}

async function outcome(channel: Channel): Promise<[exit: number, stdout: string, stderr: string]> {
  const [stdout, stderr, exit] = await Promise.all([
    text(channel.stdout),
    text(channel.stderr),
    channel.exit,
  ]);
  return [exit, stdout, stderr];
}

/** Runs a command over the bare connection. */
export async function ran(connection: Connection, command: string, input: string | Buffer = "") {
  const channel = await connection.exec(command);
  channel.stdin.end(input);
  return outcome(channel);
}

type Checks = Readonly<Record<string, (subject: Subject) => Promise<void>>>;

/** Bytes: more than any pipe or window of a link holds; and more than any pipe, for what has carried more already. */
const LONG: Readonly<Record<Extent, number>> = { "commands and files": 3_000_000, commands: 300_000 };

/** What depends on each hop of a chain. */
const commandChecks: Checks = {
  "user and home directory": async ({ target, endpoint: { user, home } }) => {
    const identity = await target.identity();
    assert.deepEqual([identity.user, identity.home], [user, home]);
    assert.equal((await target.run("pwd")).stdout, `${home}\n`);
  },

  "input, outputs and shell text with arbitrary bytes": async ({ connection, extent }) => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const bytes = Buffer.concat([all, randomBytes(LONG[extent])]);
    const script = `printf '%s|' 'a\\nb' "\\$x" '!x' "it's" '%s' \\\\ '#' ''\nprintf '%s' "second 'line' \`echo x\`"`;
    const channel = await connection.exec(`cat; printf '\\000\\377' >&2; ${script}; exit 7`);
    channel.stdin.end(bytes);
    const [stdout, stderr, exit] = await Promise.all([
      buffer(channel.stdout),
      buffer(channel.stderr),
      channel.exit,
    ]);
    assert.ok(stdout.subarray(0, bytes.length).equals(bytes), `${stdout.length} bytes`);
    assert.equal(stdout.toString("utf8", bytes.length), "a\\nb|$x|!x|it's|%s|\\|#||second 'line' x");
    assert.deepEqual([[...stderr], exit], [[0, 255], 7]);
  },

  "exit codes": async ({ connection }) => {
    const commands = ["exit 255", "kill -KILL $$"];
    const exits = await Promise.all(commands.map(async (command) => (await ran(connection, command))[0]));
    assert.deepEqual(exits, [255, 137]);
  },

  "environment and working directory": async ({ target, endpoint, dir }) => {
    const X = 'it\'s "$HOME" `id`\n\\ !é';
    // Variables of the account have its values.
    const command =
      'printf "%s|" "$(pwd)" "$X" "$HOME" "${LANG-}" "${USER:-$(id -un)}" "${LOGNAME:-$(id -un)}"';
    const { stdout } = await target.run(command, { cwd: "/usr", env: { X, LANG: null } });
    assert.equal(stdout, `/usr|${X}|${endpoint.home}||${endpoint.user}|${endpoint.user}|`);
    await assert.rejects(target.run("pwd", { cwd: `${dir}/none` }), {
      name: "FailedChange",
      message: /^cannot run `pwd` in .*\/none: /,
    });
  },

  "a daemon that keeps the outputs open": async ({ target }) => {
    const { stdout, exit } = await target.run("sleep 30 & echo $!; exit 3", { mayFail: true });
    assert.equal(exit, 3);
    await target.run(["kill", stdout.trim()], { mayFail: true });
  },
  "a command of 200 kB": async ({ target }) => {
    const text = "it's \\n !x\n".repeat(20_000);
    const { stdout } = await target.run(`cat; cat <<'END'\n${text}END`, { input: "input\n" });
    assert.ok(stdout === `input\n${text}`);
  },
  "concurrent commands": async ({ connection, extent }) => {
    // More than sshd allows sessions, where a chain with it has not shown that yet.
    const isFirst = connection.description.includes("via.ssh") && extent === "commands and files";
    const numbers = Array.from({ length: isFirst ? 12 : 4 }, (_, number) => number);
    const outcomes = await Promise.all(
      numbers.map((number) => ran(connection, `cat; exit ${number}`, `${number}`)),
    );
    assert.deepEqual(
      outcomes,
      numbers.map((number) => [number, `${number}`, ""]),
    );
  },

  cancellation: async ({ connection }) => {
    const polite = await sleeping(connection);
    polite.channel.kill();
    const [exit] = await outcome(polite.channel);
    assert.equal(exit, 143);
    await polite.ended();
    const stubborn = await sleeping(connection, "trap '' TERM; ");
    stubborn.channel.kill();
    await pause(100);
    assert.equal(stubborn.left().length, 2);
    stubborn.channel.kill("SIGKILL");
    // A process around the command may have died of the first signal.
    assert.match(String((await outcome(stubborn.channel))[0]), /^(137|143)$/);
    await stubborn.ended();
  },
};

const digest = (bytes: Buffer | undefined): string =>
  createHash("sha256")
    .update(bytes ?? "")
    .digest("hex");

const inPieces = (content: Buffer): SecretStream =>
  new SecretStream({
    size: content.length,
    sha256: digest(content),
    piece: async (at) => content.subarray(at, at + PIECE_BYTES),
  });

/** What depends on the system and the user at the end of a chain, once the chain is transparent to commands. */
const fileChecks: Checks = {
  "a file of 10 MB, and large data in pieces": async ({ target, dir }) => {
    const content = randomBytes(10_000_000);
    await target.makeDirectory(dir);
    await target.writeFile(`${dir}/big`, content);
    assert.equal(digest(await target.readBytes(`${dir}/big`)), digest(content));
    await target.writeFile(`${dir}/big`, inPieces(content.reverse()));
    assert.equal(digest(await target.readBytes(`${dir}/big`)), digest(content));
  },

  "unusual file names, modes, owners and symbolic links": async ({ target, dir, endpoint }) => {
    const file = `${dir}/-rf * é#;&|<> 'a' "q" \\n`;
    const { uid, gid } = await target.identity();
    const owned = async () => {
      const { mode, uid, gid } = (await target.stat(file)) ?? {};
      return [mode, uid, gid];
    };
    await target.writeFile(file, "one", { mode: 0o640 });
    await target.writeFile(file, "two\n");
    assert.deepEqual(await owned(), [0o640, uid, gid]);
    assert.equal(await target.setMode(file, 0o4711), "changed");
    const chown = target.setOwner(file, { user: "1", group: "2" });
    if (endpoint.user === "root") {
      assert.equal(await chown, "changed");
      assert.deepEqual((await owned()).slice(1), [1, 2]);
    } else {
      await assert.rejects(chown, {
        name: "FailedChange",
        message: /^cannot set the owner of .* to the user /,
      });
      assert.deepEqual(await owned(), [0o4711, uid, gid]);
    }
    const link = `${dir}/$HOME \`id\``;
    assert.equal(await target.symlink(link, basename(file)), "changed");
    const [text, linkTarget, status] = await Promise.all([
      target.readFile(link),
      target.readLink(link),
      target.lstat(link),
    ]);
    assert.deepEqual([text, linkTarget, status?.type], ["two\n", basename(file), "symlink"]);
    assert.deepEqual(await target.list(dir), [basename(link), basename(file), "big"].sort());
  },

  "a directory is removed recursively": async ({ target, dir }) => {
    await target.remove(dir, { recursive: true });
    assert.equal(await target.lstat(dir), undefined);
  },
};

async function closing({ chain, connection }: Subject): Promise<void> {
  const { channel, ended } = await sleeping(connection);
  channel.exit.catch(() => {});
  await chain.close();
  try {
    assert.equal(connection.alive, false);
    await ended();
  } finally {
    channel.kill("SIGKILL");
  }
  await assert.rejects(connection.exec("true"), { name: "ConnectionFailed" });
}

/** A command of two processes that sleep. */
interface Sleeping {
  readonly channel: Channel;
  /** The pids, on this computer, of those that still sleep. */
  left(): string[];
  /** Resolves when both have ended. */
  ended(): Promise<unknown>;
}

let sleepCount = 0;

/** Starts two processes that sleep for a unique number of seconds. */
async function sleeping(connection: Connection, before = ""): Promise<Sleeping> {
  sleepCount += 1;
  const seconds = `${1_000_000 + process.pid}.${sleepCount}1`;
  const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const others = new Set(pids());
  const channel = await connection.exec(`${before}sleep ${seconds} & echo asleep; sleep ${seconds}`);
  await new Promise((resolve) => channel.stdout.once("data", resolve));
  // Those in machines and containers are visible on this computer, too.
  const asleep = (pids: string[]) => pids.filter((pid) => commandOf(pid) === `sleep\0${seconds}\0`);
  const all = () => asleep(pids().filter((pid) => !others.has(pid)));
  const both = await until("two sleeping processes", () => {
    const found = all();
    return found.length === 2 && found;
  });
  const left = () => asleep(both);
  return { channel, left, ended: () => until("the end of both", () => left().length === 0, { saw: left }) };
}

function commandOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return undefined;
  }
}
