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

/** A server whose key is unknown, with only an ed25519 key. */
const unknown = (options: SshdOptions = {}) => sshd({ hostKeyTypes: ["ed25519"], ...options });

const works = async (server: Sshd, more: { transport?: "ssh2" | "openssh" } = {}) => {
  const opened = await open(hop(server, more));
  assert.equal((await run(opened.connection, "echo in")).stdout, "in\n");
  return opened;
};

/** The known_hosts line for the key of `server`. */
const line = (server: Sshd) => `[web1.test]:${server.port} ${server.hostKey}\n`;

describe("an unknown host key", () => {
  test("is refused without a terminal, with what to compare and what to add", async () => {
    const server = await unknown();
    await assert.rejects(open(hop(server)), {
      name: "ConnectionFailed",
      message: `${written(server)}: the host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) is unknown: ED25519 ${server.fingerprint}, and there is no terminal to ask on; compare it with the output of \`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\` on the host, then add this line to ${server.knownHosts}: ${line(server).trim()}`,
    });
    assert.equal(existsSync(server.knownHosts), false);
    writeFileSync(server.knownHosts, line(server));
    await works(server);
  });

  test("is shown with its fingerprint, saved after a yes, and not asked about again", async () => {
    const server = await unknown();
    const { ask, asked } = answering({ confirm: true });
    const { progress } = await open(hop(server), { ask });
    assert.deepEqual(asked, [
      `The host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) is unknown: ED25519 ${server.fingerprint}. Trust and remember this key?`,
    ]);
    assert.equal(readFileSync(server.knownHosts, "utf8"), line(server));
    assert.equal(statSync(server.knownHosts).mode & 0o777, 0o600);
    assert.deepEqual(progress, [
      {
        kind: "notice",
        text: `added the host key of [web1.test]:${server.port} to ${server.knownHosts}: ED25519 ${server.fingerprint}`,
      },
    ]);
    await works(server);
  });

  test("is refused after a no, and not saved", async () => {
    const server = await unknown();
    await assert.rejects(open(hop(server), { ask: answering({ confirm: false }).ask }), {
      message: `${written(server)}: the unknown host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) was declined: ED25519 ${server.fingerprint}`,
    });
    assert.equal(existsSync(server.knownHosts), false);
  });

  test("is saved in the format of HashKnownHosts, on a separate line", async () => {
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

  test("is accepted and saved with StrictHostKeyChecking accept-new", async () => {
    const server = await unknown({ client: ["StrictHostKeyChecking accept-new"] });
    await works(server);
    assert.equal(readFileSync(server.knownHosts, "utf8"), line(server));
  });

  test("is accepted with StrictHostKeyChecking no, with a notice", async () => {
    const server = await unknown({ client: ["StrictHostKeyChecking no"] });
    const { progress } = await works(server);
    assert.deepEqual(progress[0], {
      kind: "notice",
      text: `StrictHostKeyChecking is off: accepting the unknown host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) without verification: ED25519 ${server.fingerprint}`,
    });
  });

  test("is refused without a question with StrictHostKeyChecking yes", async () => {
    const server = await unknown({ client: ["StrictHostKeyChecking yes"] });
    const { ask, asked } = answering({ confirm: true });
    await assert.rejects(open(hop(server), { ask }), {
      message: /is unknown: ED25519 .*, and StrictHostKeyChecking is on; /,
    });
    assert.deepEqual(asked, []);
  });

  test("through the system's ssh is refused, or asked about in our terminal", async () => {
    const server = await unknown();
    await assert.rejects(open(hop(server, { transport: "openssh" })), {
      name: "ConnectionFailed",
      message: /: the host key of web1\.test \(127\.0\.0\.1 port \d+\) is unknown and was not accepted; /,
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
  test("is refused, with the line of the old key and the command to remove it", async () => {
    const server = await unknown();
    const other = path.join(server.directory, "other");
    keygen(other, "-t", "ed25519");
    writeFileSync(server.knownHosts, `# a comment\n[web1.test]:${server.port} ${publicKey(other)}\n`);
    const before = readFileSync(server.knownHosts, "utf8");
    const { ask, asked } = answering({ confirm: true });
    await assert.rejects(open(hop(server), { ask }), {
      name: "ConnectionFailed",
      message: `${written(server)}: the host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) has changed: it is ED25519 ${server.fingerprint}, but ${server.knownHosts}:2 has ED25519 ${fingerprintOf(`${other}.pub`)}; someone may be intercepting the connection, or the machine was reinstalled; if you expected this, remove the old key with \`ssh-keygen -f ${server.knownHosts} -R ${shellQuote(`[web1.test]:${server.port}`)}\` and deploy again`,
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

  test("is refused even with StrictHostKeyChecking no, through either transport", async () => {
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

  test("of another type than the known ones is refused too", async () => {
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

  test("of one type makes the host send that type, regardless of its preference", async () => {
    const server = await sshd({ hostKeyTypes: ["ed25519", "ecdsa"] });
    server.trust(`[web1.test]:${server.port}`);
    const [ed25519 = "", ecdsa = ""] = readFileSync(server.knownHosts, "utf8").split("\n");
    for (const only of [ed25519, ecdsa]) {
      writeFileSync(server.knownHosts, `${only}\n`);
      await works(server);
    }
  });

  test("is found under the name without its port", async () => {
    const server = await unknown();
    server.trust("web1.test");
    await works(server);
    await works(server, { transport: "openssh" });
  });

  test("is found under the address of the hop when the name has none", async () => {
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

  test("is refused when revoked", async () => {
    const server = await unknown();
    server.trust(`[web1.test]:${server.port}`);
    writeFileSync(server.knownHosts, `@revoked * ${server.hostKey}\n`, { flag: "a" });
    await assert.rejects(open(hop(server)), {
      name: "ConnectionFailed",
      message: `${written(server)}: the host key of [web1.test]:${server.port} (127.0.0.1 port ${server.port}) is revoked: ED25519 ${server.fingerprint} is marked @revoked at ${server.knownHosts}:2`,
    });
    await assert.rejects(open(hop(server, { transport: "openssh" })), {
      message: /is revoked in known_hosts/,
    });
  });

  test("signed by a certificate authority in known_hosts is verified by the system's ssh", async () => {
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
        text: `${written(signed)} uses the system's ssh: known_hosts has a certificate authority for web1.test`,
      },
    ]);
    writeFileSync(
      signed.knownHosts,
      `@cert-authority *.test ${readFileSync(`${signed.identity}.pub`, "utf8")}`,
    );
    await assert.rejects(open(hop(signed)), {
      name: "ConnectionFailed",
      message: /the host key of web1\.test .* is unknown/,
    });
  });
});
