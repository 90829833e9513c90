import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { before, describe, test } from "node:test";
import { ssh } from "../../../lib/connection/ssh";
import type { Connection } from "../../../lib/model/connection";
import { promised } from "../../support/load";
import { until } from "../../support/until";
import { open, outcome, proxyTo, run, type Sshd, sshd } from "./_sshd";

/** The private directories of connections through the system's ssh. */
const directories = (): string[] => readdirSync("/tmp").filter((name) => name.startsWith("consfig-ssh."));

for (const transport of ["ssh2", "openssh"] as const) {
  describe(`via.ssh through ${transport}`, () => {
    let server: Sshd;
    let connection: Connection;
    const hop = () => ssh({ port: server.port, hop: "127.0.0.1", config: server.config, transport });

    before(async () => {
      server = await sshd();
      server.trust(`[web1.test]:${server.port}`);
      connection = (await open(hop())).connection;
    });

    test("a daemon that keeps the outputs open holds nobody up, and takes no session", async () => {
      const commands = Array.from({ length: 12 }, () => run(connection, "sleep 60 & echo $!; exit 3"));
      const results = await Promise.all(commands);
      const pids = results.map(({ stdout }) => Number(stdout));
      assert.deepEqual([...new Set(results.map(({ exit }) => exit))], [3]);
      for (const pid of pids) process.kill(pid);
    });

    test("runs a command and separates its outputs", async () => {
      assert.deepEqual(await run(connection, "echo out; echo err >&2; exit 7"), {
        exit: 7,
        stdout: "out\n",
        stderr: "err\n",
      });
    });

    test("passes on shell text unchanged, in one line or several", async () => {
      const script = `echo 'a\\nb' "\\$x" '!x' "it's" '%s' \\\\ '#'\necho second`;
      const { stdout } = await run(
        connection,
        script.replace("echo", "printf '%s|'").replace("echo", "printf %s"),
      );
      assert.equal(stdout, "a\\nb|$x|!x|it's|%s|\\|#|second");
    });

    test("passes the input to the command, and its end", async () => {
      assert.deepEqual(await run(connection, "cat; echo done", "a\nb\n"), {
        exit: 0,
        stdout: "a\nb\ndone\n",
        stderr: "",
      });
    });

    test("transfers arbitrary bytes, more than any buffer holds", async () => {
      const bytes = randomBytes(8 << 20);
      const channel = await connection.exec("cat");
      const [, got, exit] = await Promise.all([
        pipeline([bytes.subarray(0, 5 << 20), bytes.subarray(5 << 20)], channel.stdin),
        buffer(channel.stdout),
        channel.exit,
        text(channel.stderr),
      ]);
      assert.equal(exit, 0);
      assert.ok(got.equals(bytes));
    });

    test("a slow reader slows down the command", async () => {
      const channel = await connection.exec("yes | head -c 50000000 | (cat; echo done >&2)");
      const stderr = text(channel.stderr);
      const early = await Promise.race([
        stderr,
        new Promise((resolve) => setTimeout(resolve, 700, "still writing")),
      ]);
      assert.equal(early, "still writing");
      assert.equal((await buffer(channel.stdout)).length, 50_000_000);
      assert.equal(await stderr, "done\n");
    });

    test("exit code 255 comes from the command", async () => {
      assert.equal((await run(connection, "exit 255")).exit, 255);
      assert.equal(connection.alive, true);
    });

    test("a command killed by a signal has exit code 128 + its number", async () => {
      assert.equal((await run(connection, "kill -TERM $$")).exit, 143);
    });

    test("kill ends the command and everything it started", async () => {
      const channel = await connection.exec("sleep 77031 & sleep 77031; wait");
      channel.kill();
      assert.equal((await outcome(channel)).exit, 143);
      await until(
        "the end of the sleeping process",
        async () => (await run(connection, "ps -A -o args | grep -c '^sleep 7703[1]'")).exit === 1,
      );
    });

    test("kill also works after the end of the input, and with another signal", async () => {
      const channel = await connection.exec("exec sleep 77032");
      channel.stdin.end();
      channel.kill("SIGKILL");
      assert.equal((await outcome(channel)).exit, 137);
    });

    test("unread output does not delay the exit code", async () => {
      const channel = await connection.exec("yes | head -c 300000; echo err >&2; exit 3");
      assert.equal(await channel.exit, 3);
    });

    test("writing to a command that has ended is harmless", async () => {
      const channel = await connection.exec("exit 4");
      channel.stdin.write(Buffer.alloc(1 << 20));
      assert.equal((await outcome(channel)).exit, 4);
      channel.stdin.write("late");
      assert.equal(connection.alive, true);
    });

    test("more concurrent commands than sshd allows sessions wait their turn", async () => {
      const runs = Array.from({ length: 25 }, (_, index) => run(connection, `sleep 0.05; echo ${index}`));
      const outputs = (await Promise.all(runs)).map(({ stdout }) => Number(stdout));
      assert.deepEqual(
        outputs,
        Array.from({ length: 25 }, (_, index) => index),
      );
    });

    test("close ends running commands and refuses new ones", async () => {
      const before = directories();
      const { connection: own } = await open(hop());
      const made = directories().filter((name) => !before.includes(name));
      const running = await own.exec("sleep 77033");
      await own.close();
      await own.close();
      assert.equal(own.alive, false);
      assert.equal(await own.closed, undefined);
      assert.equal(await running.exit, 143);
      await assert.rejects(own.exec("true"), {
        name: "ConnectionFailed",
        message: /the connection was closed$/,
      });
      if (transport === "openssh") {
        assert.ok(
          made.some((name) => !directories().includes(name)),
          `none of ${made.join(", ")} was removed`,
        );
      }
    });

    test("a dead link is detected, and everything waiting for it fails with the reason", async () => {
      const proxy = await proxyTo(server.port);
      server.trust(`[web1.test]:${proxy.port}`);
      const { connection: own } = await open(
        ssh({ port: proxy.port, hop: "127.0.0.1", config: server.config, transport, keepaliveSeconds: 1 }),
      );
      const running = await own.exec("sleep 30");
      proxy.cut();
      const inTime = promised(15, "noticing a dead link");
      const reason = await own.closed;
      inTime();
      assert.equal(own.alive, false);
      const lost =
        transport === "ssh2"
          ? `the link to 127.0.0.1 port ${proxy.port} was lost: 127.0.0.1 port ${proxy.port} has not answered for 3 s`
          : `the link to 127.0.0.1 port ${proxy.port} was lost: Timeout, server 127.0.0.1 not responding.`;
      assert.match(reason?.message ?? "", new RegExp(`^via\\.ssh\\(.*\\): ${lost}$`));
      await assert.rejects(running.exit, {
        name: "ConnectionFailed",
        message: /the command ended without an exit code: the link to/,
      });
      await assert.rejects(own.exec("true"), {
        name: "ConnectionFailed",
        message: /the link to .* was lost/,
      });
    });

    test("commands fail with the reason when the host disconnects", async () => {
      const proxy = await proxyTo(server.port);
      server.trust(`[web1.test]:${proxy.port}`);
      const { connection: own } = await open(
        ssh({ port: proxy.port, hop: "127.0.0.1", config: server.config, transport }),
      );
      const running = await own.exec("sleep 30");
      proxy.close();
      await assert.rejects(running.exit, { name: "ConnectionFailed", message: /the link to .* was lost/ });
      assert.match((await own.closed)?.message ?? "", /the link to 127\.0\.0\.1 port \d+ was lost/);
    });
  });
}
