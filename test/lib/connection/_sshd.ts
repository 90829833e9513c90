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
import { until } from "../../support/until";

/** A temporary sshd on a loopback port, with its own keys and client configuration in `directory`. */
export interface Sshd {
  readonly directory: string;
  readonly port: number;
  /** A private key that the server accepts for the user who runs the test. */
  readonly identity: string;
  /** An OpenSSH client configuration that uses only this directory. */
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
  /** Additional lines for sshd_config. */
  readonly server?: readonly string[];
  /** Additional lines for the client's configuration, before the others. */
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
      // Otherwise bash assumes a login and reads the user's .bashrc, which may print and do anything.
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
  const open = () =>
    new Promise<boolean>((answer) => {
      const socket = tcp(port, "127.0.0.1");
      socket.once("connect", () => answer(true)).once("error", () => answer(false));
      socket.once("connect", () => socket.destroy());
    });
  await until("sshd listens", open, { saw: log });
}

async function stopped(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = new Promise((resolve) => child.once("exit", resolve));
    child.kill();
    await exit;
  }
  rmSync(directory, { recursive: true, force: true });
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A TCP proxy to `port` with `delay` ms per direction, which can stop forwarding, like a cut cable. */
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
    /** Drops all data from now on, silently. */
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

/** The clean-ups of the test file, run newest first and one at a time: servers must stop after their connections. */
const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanUp of cleanups.reverse()) await cleanUp();
});

/** Opens `hop` to the host `name`, like a deployment. */
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

/** Answers questions with `answers`, and records them. */
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
