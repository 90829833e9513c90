import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Socket, connect as tcp } from "node:net";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after } from "node:test";
import { localConnection } from "../../../lib/connection/local";
import { controllerArtifacts } from "../../../lib/controller/artifacts";
import type { Channel, Connection } from "../../../lib/model/connection";
import type { Progress } from "../../../lib/model/events";
import { type Asker, type Hop, hops } from "../../../lib/model/hop";
import { HostModel } from "../../../lib/model/host";

/** A throw-away sshd on a loopback port, with keys and a client configuration of its own in `directory`. */
export interface Sshd {
  readonly directory: string;
  readonly port: number;
  /** A private key that lets in the user who runs the test. */
  readonly identity: string;
  /** An OpenSSH client configuration that knows nothing but this directory. */
  readonly config: string;
  readonly knownHosts: string;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
  readonly log: () => string;
  /** Writes known_hosts with this server's key under `names`. */
  trust(...names: string[]): void;
  stop(): Promise<void>;
}

export interface SshdOptions {
  /** Further lines for sshd_config. */
  readonly server?: readonly string[];
  /** Further lines for the client's configuration, before the others. */
  readonly client?: readonly string[];
  readonly hostKeyTypes?: readonly string[];
}

export const me = userInfo().username;

export async function sshd(options: SshdOptions = {}): Promise<Sshd> {
  const directory = mkdtempSync(path.join(tmpdir(), "consfig-sshd-"));
  const at = (name: string) => path.join(directory, name);
  const types = options.hostKeyTypes ?? ["ed25519", "ecdsa"];
  for (const type of types) keygen(at(`host_${type}`), "-t", type);
  const identity = at("id_ed25519");
  keygen(identity, "-t", "ed25519");
  writeFileSync(at("authorized_keys"), readFileSync(`${identity}.pub`));
  const port = await freePort();
  mkdirSync("/run/sshd", { recursive: true });
  const server = [
    ...(options.server ?? []),
    `ListenAddress 127.0.0.1:${port}`,
    ...types.map((type) => `HostKey ${at(`host_${type}`)}`),
    `AuthorizedKeysFile ${at("authorized_keys")}`,
    ...[
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin yes",
      "PrintMotd no",
      // Else bash takes us for a login and reads the user's .bashrc, which may say and do anything.
      "SetEnv SHLVL=5",
      "MaxStartups 100",
    ],
  ];
  writeFileSync(at("sshd_config"), `${server.join("\n")}\n`);
  const client = [
    ...(options.client ?? []),
    `UserKnownHostsFile ${at("known_hosts")}`,
    ...["GlobalKnownHostsFile none", "IdentityAgent none", `IdentityFile ${identity}`],
  ];
  writeFileSync(at("config"), `${client.join("\n")}\n`);
  const child = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", at("sshd_config")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (data) => {
    log += data;
  });
  const stop = () => stopped(child, directory);
  cleanups.push(stop);
  await listening(port, () => log);
  return {
    directory,
    port,
    identity,
    config: at("config"),
    knownHosts: at("known_hosts"),
    hostKey: types[0] === undefined ? "" : publicKey(at(`host_${types[0]}`)),
    fingerprint: types[0] === undefined ? "" : fingerprintOf(at(`host_${types[0]}.pub`)),
    log: () => log,
    trust: (...names) => {
      for (const type of types) {
        const key = publicKey(at(`host_${type}`));
        appendFileSync(at("known_hosts"), names.map((name) => `${name} ${key}\n`).join(""));
      }
      chmodSync(at("known_hosts"), 0o600);
    },
    stop,
  };
}

export const fingerprintOf = (file: string): string =>
  execFileSync("ssh-keygen", ["-lf", file], { encoding: "utf8" }).split(" ")[1] ?? "";

/** `ssh-ed25519 AAAA…` of a key made by `keygen`. */
export const publicKey = (file: string): string =>
  readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ");

export function keygen(file: string, ...args: string[]): void {
  execFileSync("ssh-keygen", ["-q", "-N", "", "-C", "test", "-f", file, ...args]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === "object" && address ? address.port : 0;
}

async function listening(port: number, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const open = await new Promise<boolean>((answer) => {
      const socket = tcp(port, "127.0.0.1");
      socket.once("connect", () => answer(true)).once("error", () => answer(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await pause(25);
  }
  throw new Error(`sshd does not listen: ${log()}`);
}

async function stopped(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = new Promise((over) => child.once("exit", over));
    child.kill();
    await exit;
  }
  rmSync(directory, { recursive: true, force: true });
}

export const pause = (ms: number): Promise<void> => new Promise((over) => setTimeout(over, ms));

/** A TCP proxy to `port`, each direction late by `delay` ms, that can stop handing on as a cut cable does. */
export async function proxyTo(port: number, delay = 0) {
  const sockets = new Set<Socket>();
  let cut = false;
  const server = createServer({ noDelay: true }, (near) => {
    const far = tcp({ port, host: "127.0.0.1", noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (data) => {
        if (!cut) setTimeout(() => to.writable && !cut && to.write(data), delay);
      });
      from.on("close", () => setTimeout(() => to.destroy(), delay));
      from.on("error", () => {});
    }
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  cleanups.push(async () => close());
  return {
    port: typeof address === "object" && address ? address.port : 0,
    /** From now on nothing arrives, and nobody is told. */
    cut: () => {
      cut = true;
    },
    close,
  };
}

export interface Opened {
  readonly connection: Connection;
  readonly progress: Progress[];
}

export interface OpenOptions {
  readonly name?: string;
  readonly ask?: Asker;
  readonly signal?: AbortSignal;
  readonly parent?: Connection;
}

/** What the file leaves behind, newest first; one at a time, for servers end after the connections to them. */
const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanUp of cleanups.reverse()) await cleanUp();
});

/** Opens `hop` as a deployment would, to the host `name`. */
export async function open(
  hop: Hop,
  { name = "web1.test", ask, signal, parent }: OpenOptions = {},
): Promise<Opened> {
  const progress: Progress[] = [];
  const definition = hops.get(hop.hop);
  if (!definition) throw new Error(`no hop ${hop.hop}`);
  const connection = await definition.open(hop.args, {
    parent: parent ?? localConnection(),
    artifacts: controllerArtifacts,
    host: HostModel.named(name),
    ask,
    signal: signal ?? new AbortController().signal,
    progress: (event) => progress.push(event),
  });
  cleanups.push(() => connection.close());
  return { connection, progress };
}

export interface Outcome {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `command` to its end. */
export async function run(connection: Connection, command: string, input = ""): Promise<Outcome> {
  const channel = await connection.exec(command);
  channel.stdin.end(input);
  return outcome(channel);
}

export async function outcome(channel: Channel): Promise<Outcome> {
  const [stdout, stderr, exit] = await Promise.all([
    text(channel.stdout),
    text(channel.stderr),
    channel.exit,
  ]);
  return { exit, stdout, stderr };
}

/** Answers every question as told, and remembers them. */
export function answering(answers: {
  readonly secrets?: readonly (string | undefined)[];
  readonly confirm?: boolean;
}) {
  const asked: string[] = [];
  const secrets = [...(answers.secrets ?? [])];
  const ask: Asker = {
    secret: async (question) => {
      asked.push(question);
      return secrets.shift();
    },
    confirm: async (question) => {
      asked.push(question);
      return answers.confirm ?? false;
    },
  };
  return { ask, asked };
}
