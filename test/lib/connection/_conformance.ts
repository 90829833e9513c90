/** What must hold at the end of any chain of hops. */
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
import type { PosixTarget } from "../../../lib/model/target";
import { ShellTarget } from "../../../lib/target/shell/target";
import { HOST, type Place } from "./_contexts";

/** Some hops, opened one in the other. */
export interface Chain {
  readonly connection: Connection;
  /** Innermost first. */
  close(): Promise<void>;
}

/** Opens `hops` from `parent`, as a deployment does. When one fails, none is left open. */
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
  readonly place: Place;
  /** An empty directory there, as an absolute path. */
  readonly dir: string;
}

/** Milliseconds that one check may take, so that one that hangs is named. */
const timeout = 120_000;

/** Runs every check on `chain`, each as a test of its own, and closes it. */
export async function conforms(t: TestContext, chain: Chain, place: Place): Promise<void> {
  const { connection } = chain;
  const target = targetOver(connection);
  const dir = `${place.home}/conformance-${randomBytes(6).toString("hex")}`;
  try {
    await t.test("who and where", { timeout }, () => whoAndWhere(connection, place));
    await target.makeDirectory(dir);
    const subject: Subject = { chain, connection, target, place, dir };
    for (const [name, check] of Object.entries(checks)) await t.test(name, { timeout }, () => check(subject));
    await t.test("a directory with all that is in it is removed", { timeout }, async () => {
      await target.remove(dir, { recursive: true });
      assert.equal(await target.lstat(dir), undefined);
    });
    await t.test("what still runs is cut off when it is closed", { timeout }, () => closing(subject));
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

/** What a command comes to over the bare connection. */
export async function ran(connection: Connection, command: string, input: string | Buffer = "") {
  const channel = await connection.exec(command);
  channel.stdin.end(input);
  return outcome(channel);
}

async function whoAndWhere(connection: Connection, { user, home }: Place): Promise<void> {
  const target = targetOver(connection);
  const identity = await target.identity();
  assert.deepEqual([identity.user, identity.home], [user, home]);
  assert.equal((await target.run("pwd")).stdout, `${home}\n`);
}

const checks: Record<string, (subject: Subject) => Promise<void>> = {
  "input, outputs and shell text, whatever bytes": async ({ connection }) => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const bytes = Buffer.concat([all, randomBytes(300_000)]);
    const said = `printf '%s|' 'a\\nb' "\\$x" '!x' "it's" '%s' \\\\ '#' ''\nprintf '%s' "second 'line' \`echo x\`"`;
    const channel = await connection.exec(`cat; printf '\\000\\377' >&2; ${said}; exit 7`);
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

  "environment and working directory": async ({ target, place, dir }) => {
    const X = 'it\'s "$HOME" `id`\n\\ !é';
    // What belongs to an account is that account's.
    const command =
      'printf "%s|" "$(pwd)" "$X" "$HOME" "${LANG-}" "${USER:-$(id -un)}" "${LOGNAME:-$(id -un)}"';
    const { stdout } = await target.run(command, { cwd: "/usr", env: { X, LANG: null } });
    assert.equal(stdout, `/usr|${X}|${place.home}||${place.user}|${place.user}|`);
    await assert.rejects(target.run("pwd", { cwd: `${dir}/none` }), {
      name: "FailedChange",
      message: /^cannot run `pwd` in .*\/none: /,
    });
  },

  "a file of 10 MB": async ({ target, dir }) => {
    const content = randomBytes(10_000_000);
    await target.writeFile(`${dir}/big`, content);
    const digest = (bytes: Buffer | undefined) =>
      createHash("sha256")
        .update(bytes ?? "")
        .digest("hex");
    assert.equal(digest(await target.readBytes(`${dir}/big`)), digest(content));
  },

  "unusual file names, modes, owners and symbolic links": async ({ target, dir, place }) => {
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
    const giving = target.setOwner(file, { user: "1", group: "2" });
    if (place.user === "root") {
      assert.equal(await giving, "changed");
      assert.deepEqual((await owned()).slice(1), [1, 2]);
    } else {
      await assert.rejects(giving, {
        name: "FailedChange",
        message: /^cannot set the owner of .* to the user /,
      });
      assert.deepEqual(await owned(), [0o4711, uid, gid]);
    }
    const link = `${dir}/$HOME \`id\``;
    assert.equal(await target.symlink(link, basename(file)), "changed");
    const [text, aim, status] = await Promise.all([
      target.readFile(link),
      target.readLink(link),
      target.lstat(link),
    ]);
    assert.deepEqual([text, aim, status?.type], ["two\n", basename(file), "symlink"]);
    assert.deepEqual(await target.list(dir), [basename(link), basename(file), "big"].sort());
  },

  "commands at once": async ({ connection }) => {
    // More than the sessions that sshd allows, where it is in the chain.
    const numbers = Array.from(
      { length: connection.description.includes("via.ssh") ? 12 : 4 },
      (_, number) => number,
    );
    const outcomes = await Promise.all(
      numbers.map((number) => ran(connection, `cat; exit ${number}`, `${number}`)),
    );
    assert.deepEqual(
      outcomes,
      numbers.map((number) => [number, `${number}`, ""]),
    );
  },

  cancellation: async ({ connection }) => {
    const { channel, seconds } = await sleeping(connection);
    assert.equal(sleepers(seconds), 2);
    channel.kill();
    const [exit] = await outcome(channel);
    assert.equal(exit, 143);
    assert.equal(await gone(seconds), 0);
    const deaf = await sleeping(connection, "trap '' TERM; ");
    deaf.channel.kill();
    await pause(100);
    assert.equal(sleepers(deaf.seconds), 2);
    deaf.channel.kill("SIGKILL");
    // What stands around the command may have heard the first.
    assert.match(String((await outcome(deaf.channel))[0]), /^(137|143)$/);
    assert.equal(await gone(deaf.seconds), 0);
  },
};

async function closing({ chain, connection }: Subject): Promise<void> {
  const { channel, seconds } = await sleeping(connection);
  channel.exit.catch(() => {});
  await chain.close();
  try {
    assert.equal(connection.alive, false);
    assert.equal(await gone(seconds), 0);
  } finally {
    channel.kill("SIGKILL");
  }
  await assert.rejects(connection.exec("true"), { name: "ConnectionFailed" });
}

let slept = 0;

/** Two processes there that sleep for so many seconds as nobody else does. */
async function sleeping(connection: Connection, before = ""): Promise<{ channel: Channel; seconds: string }> {
  slept += 1;
  const seconds = `${1_000_000 + process.pid}.${slept}1`;
  const channel = await connection.exec(`${before}sleep ${seconds} & echo asleep; sleep ${seconds}`);
  await new Promise((heard) => channel.stdout.once("data", heard));
  for (let patience = 100; sleepers(seconds) < 2 && patience > 0; patience--) await pause(20);
  return { channel, seconds };
}

/** How many of them there are: processes of machines and containers are also this computer's. */
function sleepers(seconds: string): number {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8") === `sleep\0${seconds}\0`;
    } catch {
      return false;
    }
  }).length;
}

/** How many are left after a while. */
async function gone(seconds: string): Promise<number> {
  for (let patience = 100; sleepers(seconds) > 0 && patience > 0; patience--) await pause(30);
  return sleepers(seconds);
}
