import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { encode } from "../../../../lib/agent/shared/wire";
import { session } from "../../../../lib/controller/session";
import { needsMachines } from "../../../support/machines";
import { until } from "../../../support/until";
import { assertOk, prop, type Rig, rig, selfIn } from "../_rig";

describe("an agent, and unauthorized or malformed input", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    assertOk(await on.deploy([prop("probe.process_")]));
  });
  after(() => on?.stop());

  const exists = (file: string) => existsSync(path.join(on.machine.root, file));
  const inAgent = (...names: string[]) => path.join(on.agent, ...names);
  const bootFile = () => readdirSync(inAgent("boot"))[0] ?? "";
  /** Sends `bytes` to a socket of the agent and returns the whole answer. */
  const send = (socket: string, bytes: Buffer) =>
    on.machine.run(
      `cd /root/.cache/consfigurator/agent/run && timeout 5 ../node -e '
const socket = require("node:net").connect("${socket}");
socket.write(Buffer.from("${bytes.toString("base64")}", "base64"));
socket.pipe(process.stdout);'`,
    );
  /** Sends `bytes` to a new relay, waits for `word` in its answer, and returns the answer. */
  const answer = async (bytes: Buffer, word: string): Promise<string> => {
    const waiting = `for i in $(seq 300); do grep -aq '${word}' /srv/answer && break; sleep 0.1; done`;
    const { stdout } = await on.machine.exec(
      `cd /root/.cache/consfigurator/agent && : >/srv/answer && { echo ${bytes.toString("base64")} | base64 -d; ${waiting}; } | ./node $PWD/boot/${bootFile()} relay | tee /srv/answer`,
    );
    return stdout;
  };
  const malformed: readonly (readonly [string, Buffer, RegExp])[] = [
    ["garbage", Buffer.from("GET / HTTP/1.1\r\n\r\n"), /expected a message, got/],
    [
      "a message of another version",
      encode({ type: "later" }),
      /unknown message type "later", expected one of/,
    ],
    [
      "a message without its fields",
      encode({ type: "worker" }),
      /unknown message type "worker"|invalid message "worker": deployment is undefined/,
    ],
    [
      "a message that is too large",
      Buffer.from([0xc5, 0, 255, 255, 255, 255]),
      /exceeds the limit of 268435456/,
    ],
    ["a frame with null", encode(null), /a message without a type: null/],
  ];

  for (const [name, bytes, words] of malformed) {
    test(`${name} on the supervisor's socket is refused without other effects`, async () => {
      const before = await on.pids("supervisor");
      assert.match(await send("supervisor", bytes), words);
      assert.deepEqual(await on.pids("supervisor"), before);
      selfIn(await on.deploy([prop("probe.process_")]));
    });
  }

  test("malformed input does not disturb a running worker", async () => {
    const deployment = on.deploy([
      prop("probe.runs", "touch /srv/step; while ! [ -e /srv/go ]; do sleep 0.1; done; echo done"),
    ]);
    await until("the step", () => exists("srv/step"));
    // The worker of the previous deployment may still be exiting, and a spare one starting: the one that runs the step.
    const socket = await until("the socket of the worker", async () => {
      const processes = await on.machine.run("ps -ww -eo pid=,ppid=,args=");
      const rows = [...processes.matchAll(/^ *(\d+) +(\d+) (.*)$/gm)].map(([, ...columns]) => columns);
      const above = (pid = ""): string | undefined => {
        const [, parent, args = ""] = rows.find(([id]) => id === pid) ?? [];
        return /worker\.js \S+ (worker-\S+)/.exec(args)?.[1] ?? (parent && above(parent));
      };
      return above(rows.find(([, , args = ""]) => /sleep 0\.1|while ! \[ -e/.test(args))?.[0]);
    });
    for (const [, bytes, words] of malformed) assert.match(await send(socket, bytes), words);
    await on.machine.run("touch /srv/go");
    const report = await deployment;
    assertOk(report);
    assert.equal(report.steps[0]?.output, "done\n");
  });

  test("a relay refuses garbage and exits", async () => {
    const { stdout, exit } = await on.machine.exec(
      `cd /root/.cache/consfigurator/agent && { echo garbage; sleep 1; } | ./node boot/${bootFile()} relay`,
    );
    assert.match(stdout, /expected a message, got/);
    assert.equal(exit, 1);
  });

  test("a malformed job is refused by its worker, which exits", async () => {
    const [tree = ""] = readdirSync(inAgent("trees"));
    const request = {
      type: "deploy",
      deployment: "d1",
      tree,
      by: "ana",
      job: encode({ deployment: "../d1" }),
    };
    const stdout = await answer(encode(request), "refused");
    assert.match(stdout, /refused/);
    assert.match(stdout, /invalid message "job": deployment is "\.\.\/d1", expected name/);
    selfIn(await on.deploy([prop("probe.process_")]));
  });

  test("a deployment with malformed sources is refused by the relay", async () => {
    const request = { type: "deploy", deployment: "d2", tree: "t", by: "ana", job: encode({}) };
    const bytes = encode({ ...request, change: { tree: "t", files: 7 } });
    const stdout = await answer(bytes, "invalid message");
    assert.match(stdout, /invalid message "deploy": change\.files is 7, expected list/);
  });

  test("another user has no access", async () => {
    const { exit } = await on.machine.exec("ls /root/.cache/consfigurator/agent/run", { user: "plain" });
    assert.notEqual(exit, 0);
  });

  test("an agent of another version uses our supervisor while a deployment runs, and replaces it when nobody does", async () => {
    const code = Buffer.concat([
      readFileSync(inAgent("boot", bootFile())),
      Buffer.from("\n// another version\n"),
    ]);
    const other = `${createHash("sha256").update(code).digest("hex").slice(0, 32)}.js`;
    const running = on.deploy([prop("probe.runs", "touch /srv/long; sleep 2.5; touch /srv/long-done")]);
    await until("the step", () => exists("srv/long"));
    const [ours] = await on.pids("supervisor");
    writeFileSync(inAgent("boot", other), code, { mode: 0o600 });
    const relay = () =>
      on.machine.exec(`cd /root/.cache/consfigurator/agent && sleep 1 | ./node $PWD/boot/${other} relay`);
    await relay();
    assert.deepEqual(await on.pids("supervisor"), [ours]);
    assertOk(await running);
    await session.connections.close();
    await relay();
    await until("another supervisor", async () => {
      const [now, ...more] = await on.pids("supervisor");
      return now !== undefined && now !== ours && more.length === 0;
    });
    selfIn(await on.deploy([prop("probe.process_")]));
  });
});
