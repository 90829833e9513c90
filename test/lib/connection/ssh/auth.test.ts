import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, describe, test } from "node:test";
import { ssh } from "../../../../lib/connection/ssh";
import type { Asker } from "../../../../lib/model/asker";
import { Cancelled, ConnectionFailed } from "../../../../lib/model/errors";
import { until } from "../../../support/until";
import { answering, fingerprintOf, keygen, me, open, run, type Sshd, sshd } from "../_sshd";

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

/** A new key that the server accepts. */
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
    test(`of type ${type} log in, encrypted or not`, async () => {
      const server = await known();
      const identity = allowedKey(server, "other", "-t", type);
      await works(server, { identity });
      encrypt(identity, "secret");
      const { ask, asked } = answering({ secrets: ["secret"] });
      await works(server, { identity }, ask);
      assert.deepEqual(asked, [`Passphrase for the key ${identity}:`]);
    });
  }

  test("in the older PEM format, encrypted and without the public part, log in", async () => {
    const server = await known();
    const identity = allowedKey(server, "old", "-t", "rsa", "-m", "PEM");
    encrypt(identity, "secret", "-m", "PEM");
    rmSync(`${identity}.pub`);
    const { ask, asked } = answering({ secrets: ["secret"] });
    await works(server, { identity }, ask);
    assert.deepEqual(asked, [`Passphrase for the key ${identity}:`]);
  });

  test("a passphrase is asked for once per session, even if several hosts need it at the same time", async () => {
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
      `Passphrase for the key ${identity}:`,
      `Wrong passphrase, try again. Passphrase for the key ${identity}:`,
    ]);
  });

  test("no passphrase is asked for a key that the host does not accept", async () => {
    const server = await known();
    const other = path.join(server.directory, "unwanted");
    keygen(other, "-t", "ed25519");
    encrypt(other, "secret");
    writeFileSync(server.config, `IdentityFile ${other}\n${readFileSync(server.config, "utf8")}`);
    const { ask, asked } = answering({});
    await works(server, {}, ask);
    assert.deepEqual(asked, []);
  });

  test("after three wrong passphrases, the next key is tried", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    const identity = allowedKey(server, "hard", "-t", "ed25519");
    encrypt(identity, "secret");
    const wrong = answering({ secrets: ["a", "b", "c", "d"] });
    await assert.rejects(open(hop(server, { identity }), { ask: wrong.ask }), {
      name: "ConnectionFailed",
      message: `via.ssh({ port: ${server.port}, hop: '127.0.0.1', config: '${server.config}', identity: '${identity}' }): 127.0.0.1 port ${server.port}: login as ${me} failed (tried: ED25519 ${fingerprintOf(`${identity}.pub`)} from ${identity}: 3 wrong passphrases; the host accepts: publickey); check the user, which the hop does not set, and that one of these keys is in ~${me}/.ssh/authorized_keys on the host`,
    });
    assert.equal(wrong.asked.length, 3);
    writeFileSync(server.config, `IdentityFile ${identity}\n${readFileSync(server.config, "utf8")}`);
    const declined = answering({ secrets: [undefined] });
    await works(server, {}, declined.ask);
    assert.equal(declined.asked.length, 1);
  });
});

describe("a login that fails", () => {
  test("reports the keys tried, the methods the host accepts, and what to check", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    const identity = path.join(server.directory, "unauthorized");
    keygen(identity, "-t", "ed25519");
    const written = `via.ssh({ port: ${server.port}, hop: '127.0.0.1', config: '${server.config}', identity: '${identity}', user: 'nobody' })`;
    await assert.rejects(open(hop(server, { identity, user: "nobody" })), {
      name: "ConnectionFailed",
      message: `${written}: 127.0.0.1 port ${server.port}: login as nobody failed (tried: ED25519 ${fingerprintOf(`${identity}.pub`)} from ${identity}; the host accepts: publickey); check that one of these keys is in ~nobody/.ssh/authorized_keys on the host`,
    });
    await assert.rejects(open(hop(server, { identity, user: "nobody", transport: "openssh" })), {
      name: "ConnectionFailed",
      message:
        /: 127\.0\.0\.1 port \d+: login as nobody failed: nobody@127\.0\.0\.1: Permission denied \(publickey\)\.; check that one of your keys is in authorized_keys on the host$/,
    });
  });

  test("reports a missing key file, and that there was no key to try", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    await assert.rejects(open(hop(server, { identity: "/nowhere/key" })), {
      message:
        /: login as .* failed \(no key to try; cannot read \/nowhere\/key: ENOENT; the host accepts: publickey\); /,
    });
  });

  test("reports that an encrypted key cannot be unlocked without a terminal", async () => {
    const server = await known({ server: ["PasswordAuthentication no", "KbdInteractiveAuthentication no"] });
    const identity = allowedKey(server, "alone", "-t", "ed25519");
    encrypt(identity, "secret");
    await assert.rejects(open(hop(server, { identity })), {
      message:
        /: it is encrypted, and there is no terminal to ask for its passphrase: add it to an agent with ssh-add; the host accepts: publickey\); /,
    });
  });
});

describe("an agent", () => {
  test("is asked first; IdentitiesOnly limits the keys to those configured", async () => {
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
    // The first key of the agent logs in: MaxAuthTries would not allow many more.
    await works(server);
    // With the private part only in the agent, the public key file selects the key.
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
        /the host disconnected after too many keys: select the right one with `identity`, or IdentityFile and IdentitiesOnly/,
    });
    writeFileSync(server.config, `${lines.join("\n")}\nIdentityFile ${identity}.pub\nIdentitiesOnly yes\n`);
    await works(server);
    await works(server, { transport: "openssh" });
  });

  test("that does not answer does not prevent the use of key files", async () => {
    const server = await known();
    const config = readFileSync(server.config, "utf8").replace(
      "IdentityAgent none",
      "IdentityAgent /nowhere/agent",
    );
    writeFileSync(server.config, config);
    await works(server);
    await assert.rejects(open(hop(server, { identity: `${server.directory}/none` })), {
      message: /the ssh agent at \/nowhere\/agent does not answer/,
    });
  });
});

describe("a password", () => {
  test("is asked for as often as configured, and not without a terminal", async () => {
    const server = await known({ server: ["PasswordAuthentication yes", "KbdInteractiveAuthentication no"] });
    const { ask, asked } = answering({ secrets: ["a", "b", "c", "d"] });
    const account = `nobody@127.0.0.1:${server.port}`;
    await assert.rejects(open(hop(server, { user: "nobody", identity: "/nowhere/key" }), { ask }), {
      message: / failed \(tried: password; .*the host accepts: publickey, password\); /,
    });
    assert.deepEqual(asked, [
      `Password for ${account}:`,
      `Wrong password, try again. Password for ${account}:`,
      `Wrong password, try again. Password for ${account}:`,
    ]);
    await assert.rejects(open(hop(server, { user: "nobody", identity: "/nowhere/key" })), {
      message: / failed \(no key to try; no terminal to ask for a password; /,
    });
    const silent = answering({ secrets: [undefined] }).ask;
    await assert.rejects(open(hop(server, { user: "nobody", identity: "/nowhere/key" }), { ask: silent }), {
      message:
        / failed \(no key to try; no password was entered; .*the host accepts: publickey, password\); /,
    });
  });
});

describe("a question that nobody answers", () => {
  /** Questions to a user who never answers; `onAsked` is called at each. */
  const unanswered = () => {
    const withdrawn: string[] = [];
    const silent = { withdrawn, onAsked: () => {}, ask: {} as Asker };
    silent.ask = {
      secret: (question, { signal } = {}) =>
        new Promise((_, reject) => {
          setImmediate(() => silent.onAsked());
          signal?.addEventListener("abort", () => {
            withdrawn.push(question);
            reject(new Cancelled("cancelled"));
          });
        }),
      confirm: async () => false,
    };
    return silent;
  };
  const server = () =>
    known({
      server: ["PasswordAuthentication yes", "KbdInteractiveAuthentication no", "LoginGraceTime 2"],
    });
  const nobody = (on: Sshd, transport: "ssh2" | "openssh") =>
    hop(on, { user: "nobody", identity: "/nowhere/key", transport });
  const givesUp = (opening: Promise<unknown>) =>
    assert.rejects(opening, (error: Error) => {
      assert.match(
        error.message,
        / closed the connection before the question was answered; deploy again to be asked again$/,
      );
      return error instanceof ConnectionFailed;
    });

  for (const transport of ["ssh2", "openssh"] as const)
    test(`is withdrawn when the host gives up, through ${transport}`, async () => {
      const { ask, withdrawn } = unanswered();
      await givesUp(open(nobody(await server(), transport), { ask }));
      await until("it is withdrawn", () => withdrawn.length === 1, { saw: () => withdrawn });
    });

  test("is withdrawn when the host gives up, behind a ProxyCommand", async () => {
    const { ask, withdrawn } = unanswered();
    const on = await server();
    on.trust(`[web1.test]:${on.port}`, `[127.0.0.1]:${on.port}`);
    appendFileSync(
      on.config,
      `ProxyCommand ssh -F ${on.config} -o ProxyCommand=none -i ${on.identity} -W %h:%p -p ${on.port} ${me}@127.0.0.1\n`,
    );
    await givesUp(open(nobody(on, "openssh"), { ask }));
    await until("it is withdrawn", () => withdrawn.length === 1, { saw: () => withdrawn });
  });

  for (const transport of ["ssh2", "openssh"] as const)
    test(`is withdrawn when the deployment is cancelled, through ${transport}`, async () => {
      const on = await server();
      const silent = unanswered();
      const cancelling = new AbortController();
      silent.onAsked = () => cancelling.abort(new Cancelled("cancelled"));
      const { ask, withdrawn } = silent;
      await assert.rejects(open(nobody(on, transport), { ask, signal: cancelling.signal }), Cancelled);
      await until("it is withdrawn", () => withdrawn.length === 1, { saw: () => withdrawn });
      const left = () => execFileSync("ps", ["-A", "-ww", "-o", "args="], { encoding: "utf8" });
      await until("no ssh asks any more", () => !left().includes(`nobody@[web1.test]:${on.port}`), {
        saw: left,
      });
    });
});

describe("a certificate", () => {
  test("makes the hop use the system's ssh", async () => {
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
        `uses the system's ssh: certificates or hardware keys: ED25519 ${fingerprintOf(`${identity}.pub`)} from ${identity}`,
      ],
    );
    await assert.rejects(open(hop(trusting, { identity, transport: "ssh2" })), { message: /: login as / });
  });

  test("passphrases for the system's ssh are asked for in our terminal", async () => {
    const server = await known();
    const identity = allowedKey(server, "asked", "-t", "ed25519");
    encrypt(identity, "secret");
    const { ask, asked } = answering({ secrets: ["secret"] });
    await works(server, { identity, transport: "openssh" }, ask);
    assert.deepEqual(asked, [`Enter passphrase for key '${identity}':`]);
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
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  let answer = "";
  const added = () => {
    const { status, stderr } = spawnSync("ssh-add", ["-q", key], { env, encoding: "utf8" });
    answer = stderr;
    return status === 0;
  };
  await until("the agent takes the key", added, { saw: () => answer });
  return socket;
}
