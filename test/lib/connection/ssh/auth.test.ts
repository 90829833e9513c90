import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, describe, test } from "node:test";
import { ssh } from "../../../../lib/connection/ssh";
import { answering, fingerprintOf, keygen, me, open, pause, run, type Sshd, sshd } from "../_sshd";

type More = { transport?: "ssh2" | "openssh"; identity?: string; user?: string };
const hop = (server: Sshd, more: More = {}) =>
  ssh({ port: server.port, hop: "127.0.0.1", config: server.config, ...more });

/** A server whose key is known. */
async function known(...args: Parameters<typeof sshd>): Promise<Sshd> {
  const server = await sshd(...args);
  server.trust(`[web1.test]:${server.port}`);
  return server;
}

const works = async (server: Sshd, more: More = {}, ask = answering({}).ask) => {
  const opened = await open(hop(server, more), { ask });
  assert.equal((await run(opened.connection, "echo in")).stdout, "in\n");
  return opened;
};

/** A key of this server's own that it lets in. */
function allowedKey(server: Sshd, name: string, ...args: string[]): string {
  const file = path.join(server.directory, name);
  keygen(file, ...args);
  appendFileSync(path.join(server.directory, "authorized_keys"), readFileSync(`${file}.pub`));
  return file;
}

/** Encrypts the key in `file`. */
const encrypt = (file: string, passphrase: string, ...args: string[]) =>
  execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", passphrase, "-f", file, ...args], {
    stdio: "ignore",
  });

describe("key files", () => {
  for (const type of ["ed25519", "ecdsa", "rsa"]) {
    test(`of type ${type} let in, encrypted or not`, async () => {
      const server = await known();
      const identity = allowedKey(server, "other", "-t", type);
      await works(server, { identity });
      encrypt(identity, "secret");
      const { ask, asked } = answering({ secrets: ["secret"] });
      await works(server, { identity }, ask);
      assert.deepEqual(asked, [`Passphrase of the key ${identity}`]);
    });
  }

  test("in the older PEM format, encrypted and without the public part, let in", async () => {
    const server = await known();
    const identity = allowedKey(server, "old", "-t", "rsa", "-m", "PEM");
    encrypt(identity, "secret", "-m", "PEM");
    rmSync(`${identity}.pub`);
    const { ask, asked } = answering({ secrets: ["secret"] });
    await works(server, { identity }, ask);
    assert.deepEqual(asked, [`Passphrase of the key ${identity}`]);
  });

  test("a passphrase is asked for once a session, also when many hosts need it at a time", async () => {
    const server = await known();
    const identity = allowedKey(server, "many", "-t", "ed25519");
    encrypt(identity, "secret");
    const { ask, asked } = answering({ secrets: ["wrong", "secret"] });
    await Promise.all([
      works(server, { identity }, ask),
      works(server, { identity }, ask),
      works(server, { identity }, ask),
    ]);
    await works(server, { identity }, ask);
    assert.deepEqual(asked, [
      `Passphrase of the key ${identity}`,
      `Not this one. Passphrase of the key ${identity}`,
    ]);
  });

  test("no passphrase is asked for a key that the host would not take", async () => {
    const server = await known();
    const other = path.join(server.directory, "unwanted");
    keygen(other, "-t", "ed25519");
    encrypt(other, "secret");
    writeFileSync(server.config, `IdentityFile ${other}\n${readFileSync(server.config, "utf8")}`);
    const { ask, asked } = answering({});
    await works(server, {}, ask);
    assert.deepEqual(asked, []);
  });

  test("three wrong passphrases are enough, and the next key has its turn", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    const identity = allowedKey(server, "hard", "-t", "ed25519");
    encrypt(identity, "secret");
    const wrong = answering({ secrets: ["a", "b", "c", "d"] });
    await assert.rejects(open(hop(server, { identity }), { ask: wrong.ask }), {
      name: "ConnectionFailed",
      message: `via.ssh({ port: ${server.port}, hop: '127.0.0.1', config: '${server.config}', identity: '${identity}' }): 127.0.0.1 port ${server.port} did not let ${me} in: tried ED25519 ${fingerprintOf(`${identity}.pub`)} from ${identity}: 3 wrong passphrases were given; the host takes publickey; check the user, which was not given, and that one of these keys is in ~${me}/.ssh/authorized_keys on the host`,
    });
    assert.equal(wrong.asked.length, 3);
    writeFileSync(server.config, `IdentityFile ${identity}\n${readFileSync(server.config, "utf8")}`);
    const declined = answering({ secrets: [undefined] });
    await works(server, {}, declined.ask);
    assert.equal(declined.asked.length, 1);
  });
});

describe("a login that fails", () => {
  test("says what was tried, what the host takes, and what to look at", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    const identity = path.join(server.directory, "stranger");
    keygen(identity, "-t", "ed25519");
    const written = `via.ssh({ port: ${server.port}, hop: '127.0.0.1', config: '${server.config}', identity: '${identity}', user: 'nobody' })`;
    await assert.rejects(open(hop(server, { identity, user: "nobody" })), {
      name: "ConnectionFailed",
      message: `${written}: 127.0.0.1 port ${server.port} did not let nobody in: tried ED25519 ${fingerprintOf(`${identity}.pub`)} from ${identity}; the host takes publickey; check that one of these keys is in ~nobody/.ssh/authorized_keys on the host`,
    });
    await assert.rejects(open(hop(server, { identity, user: "nobody", transport: "openssh" })), {
      name: "ConnectionFailed",
      message:
        /: 127\.0\.0\.1 port \d+ did not let nobody in: nobody@127\.0\.0\.1: Permission denied \(publickey\)\.; check that one of the keys at hand is in authorized_keys on the host$/,
    });
  });

  test("says which key file is missing, and that there was no key at all", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    await assert.rejects(open(hop(server, { identity: "/nowhere/key" })), {
      message:
        /did not let .* in: there was no key to try; \/nowhere\/key cannot be read: ENOENT; the host takes publickey; /,
    });
  });

  test("says that an encrypted key waits for somebody to unlock it", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    const identity = allowedKey(server, "alone", "-t", "ed25519");
    encrypt(identity, "secret");
    await assert.rejects(open(hop(server, { identity })), {
      message:
        /: it is encrypted, and nobody is here to give its passphrase: put it into an agent with ssh-add; the host takes publickey; /,
    });
  });
});

describe("an agent", () => {
  test("is asked first; IdentitiesOnly leaves only the keys that are named", async () => {
    const server = await known({
      server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxAuthTries 2"],
    });
    const identity = allowedKey(server, "held", "-t", "rsa");
    const socket = await agent(server, identity);
    const others = ["one", "two", "three"].map((name) => path.join(server.directory, name));
    for (const other of others) {
      keygen(other, "-t", "ed25519");
      execFileSync("ssh-add", ["-q", other], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
        stdio: "ignore",
      });
    }
    const lines = [
      `UserKnownHostsFile ${server.knownHosts}`,
      "GlobalKnownHostsFile none",
      `IdentityAgent ${socket}`,
    ];
    writeFileSync(server.config, `${lines.join("\n")}\nIdentityFile /nowhere\n`);
    // The first key of the agent lets in: MaxAuthTries would not allow many more.
    await works(server);
    // With its private part in the agent only, the public one says which key is meant.
    execFileSync("ssh-add", ["-q", "-d", identity], {
      env: { ...process.env, SSH_AUTH_SOCK: socket },
      stdio: "ignore",
    });
    execFileSync("ssh-add", ["-q", identity], {
      env: { ...process.env, SSH_AUTH_SOCK: socket },
      stdio: "ignore",
    });
    await assert.rejects(open(hop(server)), {
      message:
        /the host gave up after too many keys: name the right one with `identity`, or IdentityFile and IdentitiesOnly/,
    });
    writeFileSync(server.config, `${lines.join("\n")}\nIdentityFile ${identity}.pub\nIdentitiesOnly yes\n`);
    await works(server);
    await works(server, { transport: "openssh" });
  });

  test("that does not answer stands in no key file's way", async () => {
    const server = await known();
    const config = readFileSync(server.config, "utf8").replace(
      "IdentityAgent none",
      "IdentityAgent /nowhere/agent",
    );
    writeFileSync(server.config, config);
    await works(server);
    await assert.rejects(open(hop(server, { identity: `${server.directory}/none` })), {
      message: /the agent at \/nowhere\/agent does not answer/,
    });
  });
});

describe("a password", () => {
  test("is asked for at most as often as the configuration has it, and nobody else answers for it", async () => {
    const server = await known({ server: ["PasswordAuthentication yes", "KbdInteractiveAuthentication no"] });
    const { ask, asked } = answering({ secrets: ["a", "b", "c", "d"] });
    const account = `nobody@127.0.0.1:${server.port}`;
    await assert.rejects(open(hop(server, { user: "nobody", identity: "/nowhere/key" }), { ask }), {
      message: /: tried a password; .*the host takes publickey, password; /,
    });
    assert.deepEqual(asked, [
      `Password of ${account}`,
      `Not this one. Password of ${account}`,
      `Not this one. Password of ${account}`,
    ]);
    await assert.rejects(open(hop(server, { user: "nobody", identity: "/nowhere/key" })), {
      message: /: tried no password, because nobody is here to type it; /,
    });
  });
});

describe("a certificate", () => {
  test("goes through the system's ssh by itself", async () => {
    const server = await sshd({ server: [] });
    const ca = path.join(server.directory, "ca");
    keygen(ca, "-t", "ed25519");
    const trusting = await known({ server: [`TrustedUserCAKeys ${ca}.pub`] });
    const identity = path.join(trusting.directory, "certified");
    keygen(identity, "-t", "ed25519");
    execFileSync("ssh-keygen", ["-q", "-s", ca, "-I", "me", "-n", me, `${identity}.pub`]);
    const { progress } = await works(trusting, { identity });
    assert.deepEqual(
      progress.map((event) => (event.kind === "notice" ? event.text.replace(/^.*\}\) /, "") : event.kind)),
      [
        `goes through the system's ssh: of a certificate or a hardware key: ED25519 ${fingerprintOf(`${identity}.pub`)} from ${identity}`,
      ],
    );
    await assert.rejects(open(hop(trusting, { identity, transport: "ssh2" })), { message: /did not let/ });
  });

  test("passphrases of the system's ssh are asked for in our terminal", async () => {
    const server = await known();
    const identity = allowedKey(server, "asked", "-t", "ed25519");
    encrypt(identity, "secret");
    const { ask, asked } = answering({ secrets: ["secret"] });
    await works(server, { identity, transport: "openssh" }, ask);
    assert.deepEqual(asked, [`Enter passphrase for key '${identity}'`]);
  });
});

const agents: ChildProcess[] = [];
after(() => {
  for (const child of agents) child.kill();
});

/** A new agent that holds `key`. */
async function agent(server: Sshd, key: string): Promise<string> {
  const socket = path.join(server.directory, "agent");
  agents.push(spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" }));
  for (let attempt = 0; ; attempt++) {
    try {
      execFileSync("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: "pipe" });
      return socket;
    } catch (error) {
      if (attempt > 40) throw error;
      await pause(50);
    }
  }
}
