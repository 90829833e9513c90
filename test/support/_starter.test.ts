import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { after, describe, test } from "node:test";
import { connectionOf, runBy, Starter } from "./_starter";
import { needsMachines } from "./machines";
import { until } from "./until";

describe("a starter of commands", needsMachines(), () => {
  const starter = new Starter(["env", "-i", "GIVEN=here", `PATH=${process.env["PATH"]}`]);
  after(() => starter.end());
  const run = (command: string, options = {}) => runBy(starter, ["sh", "-c", command], options);

  test("returns the outcome of commands", async () => {
    const ended = await run("cat; echo $GIVEN; echo oops >&2; exit 3", { input: "given " });
    assert.deepEqual(ended, { stdout: "given here\n", stderr: "oops\n", exit: 3 });
    assert.equal((await run("kill -9 $$")).exit, 128 + 9);
    assert.match((await runBy(starter, ["no such command"], {})).stderr, /^no such command: No such file/);
  });

  test("passes on much, and runs many commands at once", async () => {
    const much = "x".repeat(1_000_000);
    assert.equal((await run("cat", { input: much })).stdout, much);
    const all = await Promise.all(Array.from({ length: 100 }, (_, number) => run(`echo ${number}`)));
    assert.deepEqual(
      all.map(({ stdout }) => stdout),
      all.map((_, number) => `${number}\n`),
    );
  });

  test("kills at its limit what a command has started, too", async () => {
    const signal = AbortSignal.timeout(200);
    assert.equal((await run("sleep 1000 & sleep 1000", { signal })).exit, 128 + 9);
  });

  test("is a connection, which does not wait for what a command has left", async () => {
    const channel = await connectionOf("here", async () => starter).exec("sleep 1000 & echo $!");
    const said = text(channel.stdout);
    assert.equal(await channel.exit, 0);
    const left = Number(await said);
    await run(`kill ${left}`);
    await until("it has ended", async () => (await run(`kill -0 ${left}`)).exit !== 0);
  });

  test("ends with its owner", async () => {
    const own = new Starter(["env", `PATH=${process.env["PATH"]}`]);
    const pid = (await runBy(own, ["sh", "-c", "echo $PPID"], {})).stdout.trim();
    own.end();
    await until("it has ended", async () => (await run(`kill -0 ${pid}`)).exit !== 0);
    await assert.rejects(runBy(own, ["true"], {}));
  });
});
