import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { ssh } from "../../../../lib/connection/ssh";
import type { Connection } from "../../../../lib/model/connection";
import { delayProxy } from "../../../support/proxy";
import { me, open, outcome, run, sshd } from "../_sshd";

const REMEDY = `for ${me} on 127.0.0.1, check the login shell in /etc/passwd, commands such as exit, exec and read in its startup files (.bashrc), and forced commands (command="…" in authorized_keys, ForceCommand in sshd_config)`;

/** What a login shell, its startup files or a forced command do instead of our command. */
const cases: Record<string, readonly [does: string, seen: string]> = {
  "a startup file that ends the shell": ["exit 0", "it ended with exit code 0, and printed nothing"],
  "a login shell that does nothing": ["exec /bin/true", "it ended with exit code 0, and printed nothing"],
  "a startup file that starts another shell": [
    "exec sh",
    "another program read the command's input, and printed nothing",
  ],
  nologin: [
    "echo This account is currently not available.; exit 1",
    "it ended with exit code 1, and printed: This account is currently not available.",
  ],
};

/** Runs the command, as sshd does without a forced command. */
const RUNS_IT = 'exec sh -c "$SSH_ORIGINAL_COMMAND"';

for (const transport of ["ssh2", "openssh"] as const) {
  describe(`a command that the login shell does not run, through ${transport}`, () => {
    for (const [name, [does, seen]] of Object.entries(cases)) {
      test(name, async () => {
        const { connection, file, prefix } = await loginThat(does, transport);
        await assert.rejects(run(connection, `touch ${file}`), {
          name: "ConnectionFailed",
          message: `${prefix}the login shell did not run our command: ${seen}; ${REMEDY}`,
        });
        await assert.rejects(run(connection, "cat >/dev/null", `touch ${file}\n`));
        await assert.rejects(atOnce(connection, `touch ${file}`), { name: "ConnectionFailed" });
        assert.equal(existsSync(file), false);
      });
    }

    test("a startup file that reads the input", async () => {
      const { connection, prefix } = await loginThat(`cat >/dev/null; ${RUNS_IT}`, transport);
      // ssh itself gets its input only when the command has started.
      const seen =
        transport === "ssh2"
          ? "another program read the command's input, and printed nothing"
          : "it did not start it within 2 s, and printed nothing";
      await assert.rejects(run(connection, "true"), {
        message: `${prefix}the login shell did not run our command: ${seen}; ${REMEDY}`,
      });
    });

    test("a startup file that never ends is given up in time", async () => {
      const does = `echo Waiting for storage; sleep 6; ${RUNS_IT}`;
      const { connection, prefix } = await loginThat(does, transport);
      await assert.rejects(run(connection, "true"), {
        name: "ConnectionFailed",
        message: `${prefix}the login shell did not run our command: it did not start it within 2 s, and printed: Waiting for storage; ${REMEDY}`,
      });
    });

    test("what a startup file prints is no reason to refuse", async () => {
      const { connection } = await loginThat(`echo hello >&2; ${RUNS_IT}`, transport);
      assert.equal((await run(connection, "cat", "a\nb\n")).stdout, "a\nb\n");
    });
  });
}

/** A command that reads no input, and does not wait for it. */
async function atOnce(connection: Connection, command: string) {
  const channel = await connection.exec(command, { startsAtOnce: true });
  channel.stdin.end();
  return outcome(channel);
}

test("a startup file that reads the input keeps no command from starting that has none", async () => {
  const { connection } = await loginThat(`cat >/dev/null; ${RUNS_IT}`, "ssh2");
  assert.equal((await atOnce(connection, "echo begun")).stdout, "begun\n");
});

test("a command without input is one round trip, one with input two", async () => {
  const server = await sshd();
  await using proxy = await delayProxy({ to: { host: "127.0.0.1", port: server.port } });
  server.trust(`[web1.test]:${proxy.port}`);
  const { connection } = await open(ssh({ port: proxy.port, hop: "127.0.0.1", config: server.config }));
  const timeOf = async (begin: () => Promise<unknown>) => {
    const started = performance.now();
    await begin();
    return performance.now() - started;
  };
  await run(connection, "true");
  proxy.setRoundTrip(1000);
  assert.ok((await timeOf(() => atOnce(connection, "true"))) < 2000);
  assert.ok((await timeOf(() => run(connection, "cat", "a"))) >= 2000);
});

/** A connection to a host where, from now on, the login shell does `does` instead of running a command. */
async function loginThat(
  does: string,
  transport: "ssh2" | "openssh",
): Promise<{ connection: Connection; file: string; prefix: string }> {
  const scripts = mkdtempSync(path.join(tmpdir(), "consfig-login-"));
  after(() => rmSync(scripts, { recursive: true }));
  const script = path.join(scripts, "login");
  writeFileSync(script, RUNS_IT);
  const server = await sshd({ server: [`ForceCommand sh ${script}`] });
  server.trust(`[web1.test]:${server.port}`);
  const options = { port: server.port, hop: "127.0.0.1", config: server.config, transport };
  const { connection } = await open(ssh({ ...options, connectTimeoutSeconds: 2 }));
  writeFileSync(script, does);
  return { connection, file: path.join(scripts, "written"), prefix: `${connection.description}: ` };
}
