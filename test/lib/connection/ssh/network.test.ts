import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { after, describe, test } from "node:test";
import { ssh } from "../../../../lib/connection/ssh";
import { Cancelled } from "../../../../lib/model/errors";
import { patience, promised } from "../../../support/load";
import { until } from "../../../support/until";
import { answering, me, open, pause, run, type Sshd, sshd } from "../_sshd";

const transports = ["ssh2", "openssh"] as const;

/** A server whose key is known under its names in these tests. */
async function known(...args: Parameters<typeof sshd>): Promise<Sshd> {
  const server = await sshd(...args);
  server.trust(`[web1.test]:${server.port}`, `[127.0.0.1]:${server.port}`);
  return server;
}

/** A loopback port that accepts TCP connections and never sends anything. */
async function silent(): Promise<number> {
  const server = createServer(() => {});
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  server.unref();
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

describe("a host that cannot be reached", () => {
  for (const transport of transports) {
    test(`through ${transport}: a refused connection`, async () => {
      const { directory } = await known();
      await assert.rejects(
        open(ssh({ port: 1, hop: "127.0.0.1", config: `${directory}/config`, transport })),
        {
          name: "ConnectionFailed",
          message: `via.ssh({ port: 1, hop: '127.0.0.1', config: '${directory}/config', transport: '${transport}' }): 127.0.0.1 port 1 refused the connection: no sshd listens there; check the port, and that sshd is running`,
        },
      );
    });

    test(`through ${transport}: a name without an address`, async () => {
      await assert.rejects(open(ssh({ config: "none", transport }), { name: "nowhere.invalid" }), {
        name: "ConnectionFailed",
        message:
          /: (cannot resolve nowhere\.invalid; if DNS does not know it yet, give its address: via\.ssh\(\{ hop: "203\.0\.113\.7" \}\)|cannot resolve nowhere\.invalid now: no name server answers; check this machine's network)$/,
      });
    });

    test(`through ${transport}: a silent host times out`, async () => {
      const port = await silent();
      const inTime = promised(15, "a time limit of a second");
      await assert.rejects(
        open(ssh({ port, hop: "127.0.0.1", config: "none", transport, connectTimeoutSeconds: 1 })),
        {
          name: "ConnectionFailed",
          message: new RegExp(
            `: 127\\.0\\.0\\.1 port ${port} does not answer; check the address, that the machine is up, and that no firewall blocks the port( \\(timed out after 1 s\\))?$`,
          ),
        },
      );
      inTime();
    });

    test(`through ${transport}: a cancelled attempt ends immediately`, async () => {
      const port = await silent();
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Cancelled("enough")), 300);
      const inTime = promised(10, "a cancelled attempt");
      await assert.rejects(
        open(ssh({ port, hop: "127.0.0.1", config: "none", transport }), { signal: controller.signal }),
        { name: "Cancelled", message: "enough" },
      );
      inTime();
    });

    test(`through ${transport}: cancelling later does not affect the connection`, async () => {
      const server = await known();
      const controller = new AbortController();
      const { connection } = await open(
        ssh({ port: server.port, hop: "127.0.0.1", config: server.config, transport }),
        {
          signal: controller.signal,
        },
      );
      controller.abort();
      await pause(100);
      assert.equal((await run(connection, "echo in")).stdout, "in\n");
    });

    test(`through ${transport}: the time limit excludes questions to the user`, async () => {
      const server = await sshd();
      // On busy cores, connecting alone takes longer than a second.
      const seconds = Math.ceil(4 * patience()) - 3;
      const slow = answering({ confirm: true }).ask;
      const answered = async (question: string) => {
        await pause(seconds * 1000 + 500);
        return slow.confirm(question);
      };
      const ask = { ...slow, confirm: answered };
      await open(
        ssh({
          port: server.port,
          hop: "127.0.0.1",
          config: server.config,
          transport,
          connectTimeoutSeconds: seconds,
        }),
        { ask },
      );
    });
  }

  test("the error of OpenSSH for an invalid configuration is shown", async () => {
    const { directory } = await known();
    writeFileSync(`${directory}/config`, "Hots *\n");
    await assert.rejects(open(ssh({ config: `${directory}/config` })), {
      name: "ConnectionFailed",
      message: new RegExp(
        `: OpenSSH cannot read its configuration: ${directory}/config: line 1: Bad configuration option: hots`,
      ),
    });
  });
});

describe("the user's configuration", () => {
  test("provides address, port, user and key, with patterns, Match and Include", async () => {
    const server = await known();
    const more = path.join(server.directory, "more");
    writeFileSync(more, `Match originalhost web?.test user ${me}\n  Port ${server.port}\n`);
    const old = readFileSync(server.config, "utf8");
    writeFileSync(
      server.config,
      `Host web*.test\n  HostName 127.0.0.1\n  User ${me}\nInclude ${more}\nHost *\n${old}`.replace(
        /IdentityFile .*/,
        `IdentityFile ${server.directory}/id_%%ed25519\nIdentityFile ${path.dirname(server.identity)}/id_ed25519`,
      ),
    );
    const { connection } = await open(ssh({ config: server.config }));
    assert.equal((await run(connection, "id -un")).stdout, `${me}\n`);
  });

  test("uses the system's ssh for ProxyCommand, with a notice", async () => {
    const server = await known();
    const bridge = `${process.execPath} -e 'const s=require("net").connect(${server.port},"127.0.0.1");process.stdin.pipe(s).pipe(process.stdout)'`;
    writeFileSync(server.config, `ProxyCommand ${bridge}\n${readFileSync(server.config, "utf8")}`);
    const { connection, progress } = await open(
      ssh({ port: server.port, hop: "127.0.0.1", config: server.config }),
    );
    assert.equal((await run(connection, "echo in")).stdout, "in\n");
    assert.deepEqual(progress, [
      {
        kind: "notice",
        text: `via.ssh({ port: ${server.port}, hop: '127.0.0.1', config: '${server.config}' }) uses the system's ssh: proxycommand is set for web1.test`,
      },
    ]);
  });

  test("shares a ControlPath in use, and leaves its master running", async () => {
    const server = await known();
    const control = path.join(server.directory, "control");
    writeFileSync(server.config, `ControlPath ${control}\n${readFileSync(server.config, "utf8")}`);
    const args = [
      "-F",
      server.config,
      "-p",
      String(server.port),
      "-o",
      "HostKeyAlias=web1.test",
      "127.0.0.1",
    ];
    server.trust("web1.test");
    const master = spawn("ssh", ["-M", "-N", ...args], { stdio: "ignore" });
    after(() => master.kill());
    await until("the control socket", () => existsSync(control));
    const { connection, progress } = await open(
      ssh({ port: server.port, hop: "127.0.0.1", config: server.config }),
    );
    assert.match(JSON.stringify(progress), /the ControlPath .*control is in use/);
    assert.equal((await run(connection, "echo in; exit 255")).exit, 255);
    await connection.close();
    execFileSync("ssh", ["-O", "check", ...args], { stdio: "ignore" });
  });
});

describe("jump hosts", () => {
  for (const transport of transports) {
    test(`through ${transport}: every host in ProxyJump, with the host key of each verified`, async () => {
      const [first, second, last] = await Promise.all([known(), known(), known()]);
      const trusted = [first, second, last]
        .map((server) => `[127.0.0.1]:${server.port} ${server.hostKey}\n`)
        .join("");
      writeFileSync(first.knownHosts, trusted);
      const keys = [first, second, last].map(({ identity }) => `IdentityFile ${identity}\n`).join("");
      const jumps = `${me}@127.0.0.1:${first.port},second`;
      const hosts = `Host second\n  HostName 127.0.0.1\n  Port ${second.port}\nHost web1.test\n  HostName 127.0.0.1\n  Port ${last.port}\n  ProxyJump ${jumps}\nHost *\n`;
      writeFileSync(
        first.config,
        `${hosts}${keys}UserKnownHostsFile ${first.knownHosts}\nGlobalKnownHostsFile none\nIdentityAgent none\n`,
      );
      const { connection } = await open(ssh({ config: first.config, transport }));
      const { stdout } = await run(connection, "echo $SSH_CONNECTION");
      assert.equal(stdout.trim().split(" ")[3], String(last.port));
      writeFileSync(first.knownHosts, trusted.replace(`[127.0.0.1]:${second.port}`, "[127.0.0.1]:1"));
      await assert.rejects(open(ssh({ config: first.config, transport })), { name: "ConnectionFailed" });
    });
  }

  test("an unknown jump host is refused, with its address", async () => {
    const [jump, last] = await Promise.all([sshd(), known()]);
    writeFileSync(
      last.config,
      `${readFileSync(last.config, "utf8")}\nHost web1.test\n  ProxyJump 127.0.0.1:${jump.port}\n`,
    );
    await assert.rejects(open(ssh({ port: last.port, hop: "127.0.0.2", config: last.config })), {
      message: new RegExp(`: the host key of 127\\.0\\.0\\.1 port ${jump.port} is unknown: `),
    });
  });

  test("a jump host that cannot reach the host is an error", async () => {
    const jump = await known();
    writeFileSync(
      jump.config,
      `Host web1.test\n  ProxyJump 127.0.0.1:${jump.port}\nHost *\n${readFileSync(jump.config, "utf8")}`,
    );
    await assert.rejects(open(ssh({ port: 1, hop: "127.0.0.2", config: jump.config })), {
      message: new RegExp(
        `: 127\\.0\\.0\\.1 port ${jump.port}, the jump host, cannot reach 127\\.0\\.0\\.2 port 1: Connection refused$`,
      ),
    });
  });

  test("circular ProxyJump is refused", async () => {
    const { directory } = await known();
    const config = path.join(directory, "circle");
    writeFileSync(config, "Host web1.test\n  ProxyJump b.test\nHost b.test\n  ProxyJump web1.test\n");
    await assert.rejects(open(ssh({ config })), {
      message: `via.ssh({ config: '${config}' }): ProxyJump is circular: web1.test → b.test → web1.test`,
    });
  });
});

describe("the hop as written in a consfig", () => {
  test("rejects arguments that ssh would read as options, and names them", () => {
    assert.throws(() => ssh({ hop: "-oProxyCommand=x" }), {
      name: "InvalidArguments",
      message: 'via.ssh: args.hop is "-oProxyCommand=x"; it must be a host name or an IP address',
    });
    assert.throws(() => ssh({ user: "-l" }), {
      message: 'via.ssh: args.user is "-l"; it must be the name of an account',
    });
    assert.throws(() => ssh({ port: 0 }), { message: "via.ssh: args.port is 0; it must be a port number" });
  });
});
