import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { ssh } from "../../../../lib/connection/ssh";
import { shellQuote } from "../../../../lib/util/shell-quote";
import {
  answering,
  fingerprintOf,
  keygen,
  open,
  publicKey,
  run,
  type Sshd,
  type SshdOptions,
  sshd,
} from "../_sshd";

const hop = (server: Sshd, more: { transport?: "ssh2" | "openssh" } = {}) =>
  ssh({ port: server.port, hop: "127.0.0.1", config: server.config, ...more });

const written = (server: Sshd, more = "") =>
  `via.ssh({ port: ${server.port}, hop: '127.0.0.1', config: '${server.config}'${more} })`;

/** A server of which nothing is known, with an ed25519 key only. */
const unknown = (options: SshdOptions = {}) => sshd({ hostKeyTypes: ["ed25519"], ...options });

const works = async (server: Sshd, more: { transport?: "ssh2" | "openssh" } = {}) => {
  const opened = await open(hop(server, more));
  assert.equal((await run(opened.connection, "echo in")).stdout, "in\n");
  return opened;
};

/** The line by which the key of `server` would be remembered. */
const line = (server: Sshd) => `[web1.test]:${server.port} ${server.hostKey}\n`;

describe("an unknown host key", () => {
  test("is refused when nobody is there, with what to compare and what to write", async () => {
    const server = await unknown();
    await assert.rejects(open(hop(server)), {
      name: "ConnectionFailed",
      message: `${written(server)}: the host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) is not known: ED25519 ${server.fingerprint}, and nobody is here to be asked; compare it with what \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` prints on the host, then add this line to ${server.knownHosts}: ${line(server).trim()}`,
    });
    assert.equal(existsSync(server.knownHosts), false);
    writeFileSync(server.knownHosts, line(server));
    await works(server);
  });

  test("is shown with its fingerprint, remembered after a yes, and not asked again", async () => {
    const server = await unknown();
    const { ask, asked } = answering({ confirm: true });
    const { progress } = await open(hop(server), { ask });
    assert.deepEqual(asked, [
      `the host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) is not known: ED25519 ${server.fingerprint}. Is it the right one, and is it to be remembered?`,
    ]);
    assert.equal(readFileSync(server.knownHosts, "utf8"), line(server));
    assert.equal(statSync(server.knownHosts).mode & 0o777, 0o600);
    assert.deepEqual(progress, [
      {
        kind: "notice",
        text: `the host key of [web1.test]:${server.port} was added to ${server.knownHosts}: ED25519 ${server.fingerprint}`,
      },
    ]);
    await works(server);
  });

  test("is refused after a no, and not remembered", async () => {
    const server = await unknown();
    await assert.rejects(open(hop(server), { ask: answering({ confirm: false }).ask }), {
      message: `${written(server)}: the unknown host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) was declined: ED25519 ${server.fingerprint}`,
    });
    assert.equal(existsSync(server.knownHosts), false);
  });

  test("is written as HashKnownHosts has it, on a line of its own, in a directory made for it", async () => {
    const server = await unknown({ client: ["HashKnownHosts yes"] });
    writeFileSync(
      server.knownHosts,
      "other.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVIHo8X2Gk1oRZ0Zc4u1y2aNDyYQWYqVh8rV9QkKtcR",
    );
    await open(hop(server), { ask: answering({ confirm: true }).ask });
    const [first = "", second = ""] = readFileSync(server.knownHosts, "utf8").split("\n");
    assert.match(first, /^other\.test /);
    assert.match(second, /^\|1\|[^ ]+ ssh-ed25519 /);
    await works(server);
  });

  test("is accepted and remembered with StrictHostKeyChecking accept-new, the user's own choice", async () => {
    const server = await unknown({ client: ["StrictHostKeyChecking accept-new"] });
    await works(server);
    assert.equal(readFileSync(server.knownHosts, "utf8"), line(server));
  });

  test("is accepted with StrictHostKeyChecking no, and the user is told", async () => {
    const server = await unknown({ client: ["StrictHostKeyChecking no"] });
    const { progress } = await works(server);
    assert.deepEqual(progress[0], {
      kind: "notice",
      text: `StrictHostKeyChecking is off: the unknown host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) is accepted unseen: ED25519 ${server.fingerprint}`,
    });
  });

  test("is refused without a question with StrictHostKeyChecking yes", async () => {
    const server = await unknown({ client: ["StrictHostKeyChecking yes"] });
    const { ask, asked } = answering({ confirm: true });
    await assert.rejects(open(hop(server), { ask }), {
      message: /is not known: ED25519 .*, and StrictHostKeyChecking is on; /,
    });
    assert.deepEqual(asked, []);
  });

  test("through the system's ssh it is refused, or asked for in our terminal", async () => {
    const server = await unknown();
    await assert.rejects(open(hop(server, { transport: "openssh" })), {
      name: "ConnectionFailed",
      message:
        /: the host key of web1\.test \(127\.0\.0\.1 port \d+\) is not known, and it was not accepted; /,
    });
    const { ask, asked } = answering({ confirm: true });
    await open(hop(server, { transport: "openssh" }), { ask });
    assert.equal(asked.length, 1);
    assert.ok(asked[0]?.includes(server.fingerprint), asked[0]);
    await works(server, { transport: "openssh" });
    await works(server, { transport: "ssh2" });
  });
});

describe("a changed host key", () => {
  test("is refused, with the line that has the other one and the command to forget it", async () => {
    const server = await unknown();
    const other = path.join(server.directory, "other");
    keygen(other, "-t", "ed25519");
    writeFileSync(server.knownHosts, `# a comment\n[web1.test]:${server.port} ${publicKey(other)}\n`);
    const before = readFileSync(server.knownHosts, "utf8");
    const { ask, asked } = answering({ confirm: true });
    await assert.rejects(open(hop(server), { ask }), {
      name: "ConnectionFailed",
      message: `${written(server)}: the host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) has changed: it is ED25519 ${server.fingerprint}, but ${server.knownHosts}:2 has ED25519 ${fingerprintOf(`${other}.pub`)}; somebody may be listening in, or the machine was installed anew; if you know why, forget the old key with \`ssh-keygen -f ${server.knownHosts} -R ${shellQuote(`[web1.test]:${server.port}`)}\` and deploy again`,
    });
    assert.deepEqual(asked, []);
    assert.equal(readFileSync(server.knownHosts, "utf8"), before);
    await assert.rejects(open(hop(server, { transport: "openssh" }), { ask }), {
      name: "ConnectionFailed",
      message: new RegExp(
        `has changed: it is ${server.fingerprint.replaceAll("+", "\\+")}, not the one at ${server.knownHosts}:2; `,
      ),
    });
    execFileSync("ssh-keygen", ["-f", server.knownHosts, "-R", `[web1.test]:${server.port}`], {
      stdio: "ignore",
    });
    await open(hop(server), { ask });
  });

  test("is refused with StrictHostKeyChecking no as well, through either transport", async () => {
    const server = await unknown({ client: ["StrictHostKeyChecking no"] });
    const other = path.join(server.directory, "other");
    keygen(other, "-t", "ed25519");
    writeFileSync(server.knownHosts, `[web1.test]:${server.port} ${readFileSync(`${other}.pub`, "utf8")}`);
    for (const transport of ["ssh2", "openssh"] as const) {
      await assert.rejects(open(hop(server, { transport })), {
        name: "ConnectionFailed",
        message: /has changed: it is /,
      });
    }
  });

  test("so is a key of another type than those known", async () => {
    const server = await unknown();
    const other = path.join(server.directory, "other");
    keygen(other, "-t", "ecdsa");
    writeFileSync(server.knownHosts, `[web1.test]:${server.port} ${readFileSync(`${other}.pub`, "utf8")}`);
    await assert.rejects(open(hop(server)), {
      message: /has changed: it is ED25519 .*, but .*:1 has ECDSA SHA256:/,
    });
  });
});

describe("a known host key", () => {
  test("is found under a hashed name", async () => {
    const server = await unknown();
    server.trust(`[web1.test]:${server.port}`);
    execFileSync("ssh-keygen", ["-H", "-f", server.knownHosts], { stdio: "ignore" });
    assert.match(readFileSync(server.knownHosts, "utf8"), /^\|1\|/);
    await works(server);
  });

  test("of one type makes the host show that type, in whatever order it would rather", async () => {
    const server = await sshd({ hostKeyTypes: ["ed25519", "ecdsa"] });
    server.trust(`[web1.test]:${server.port}`);
    const [ed25519 = "", ecdsa = ""] = readFileSync(server.knownHosts, "utf8").split("\n");
    for (const only of [ed25519, ecdsa]) {
      writeFileSync(server.knownHosts, `${only}\n`);
      await works(server);
    }
  });

  test("under the name without its port will do", async () => {
    const server = await unknown();
    server.trust("web1.test");
    await works(server);
    await works(server, { transport: "openssh" });
  });

  test("under the address of the hop decides when the name has none", async () => {
    const server = await unknown();
    server.trust(`[127.0.0.1]:${server.port}`);
    await works(server);
    await works(server, { transport: "openssh" });
  });

  test("is looked up under HostKeyAlias", async () => {
    const server = await unknown({ client: ["HostKeyAlias farm"] });
    server.trust("farm");
    await works(server);
    await works(server, { transport: "openssh" });
  });

  test("is refused when it is revoked", async () => {
    const server = await unknown();
    server.trust(`[web1.test]:${server.port}`);
    writeFileSync(server.knownHosts, `@revoked * ${server.hostKey}\n`, { flag: "a" });
    await assert.rejects(open(hop(server)), {
      name: "ConnectionFailed",
      message: `${written(server)}: the host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) is revoked: ${server.knownHosts}:2 says that nothing with the key ED25519 ${server.fingerprint} is to be trusted`,
    });
    await assert.rejects(open(hop(server, { transport: "openssh" })), {
      message: /is revoked by known_hosts/,
    });
  });

  test("signed by a certificate authority of known_hosts is verified by the system's ssh", async () => {
    const server = await unknown();
    const ca = path.join(server.directory, "ca");
    keygen(ca, "-t", "ed25519");
    const hostKey = path.join(server.directory, "host_ed25519");
    execFileSync("ssh-keygen", ["-q", "-s", ca, "-I", "web1", "-h", "-n", "web1.test", `${hostKey}.pub`]);
    const signed = await sshd({
      hostKeyTypes: [],
      server: [`HostKey ${hostKey}`, `HostCertificate ${hostKey}-cert.pub`],
    });
    writeFileSync(signed.knownHosts, `@cert-authority *.test ${readFileSync(`${ca}.pub`, "utf8")}`);
    const { progress } = await works(signed);
    assert.deepEqual(progress, [
      {
        kind: "notice",
        text: `${written(signed)} goes through the system's ssh: known_hosts has a certificate authority for web1.test`,
      },
    ]);
    writeFileSync(
      signed.knownHosts,
      `@cert-authority *.test ${readFileSync(`${signed.identity}.pub`, "utf8")}`,
    );
    await assert.rejects(open(hop(signed)), {
      name: "ConnectionFailed",
      message: /the host key of web1\.test .* is not known/,
    });
  });
});
