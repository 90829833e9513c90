import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAgentConnection } from "../../../../lib/agent/client/connection";
import { pushSources } from "../../../../lib/controller/push";
import { session } from "../../../../lib/controller/session";
import * as via from "../../../../lib/via";
import { needsMachines } from "../../../support/machines";
import type { DelayProxy } from "../../../support/proxy";
import { until } from "../../../support/until";
import { assertOk, gzipped, prop, type Rig, rig } from "../_rig";

const greeting = (words: string) => `import { defprop, schema } from "consfigurator";
import { shout } from "shout";
import { mark } from "./_mark";

/** Greets. */
export const greets = defprop({
  name: "greet.greets",
  kind: "posix",
  args: schema.object({ name: schema.string() }),
  call: (name: string) => ({ name }),
  apply: async ({ name }, target) => {
    await target.run(["echo", shout(\`${words} \${name}\${mark}\`)], { inform: true });
    return "changed";
  },
});
`;

describe("the user's sources on a host", needsMachines(), () => {
  let on: Rig;
  let proxy: DelayProxy;
  const deploy = () => on.deploy([prop("greet.greets", "ana")], [on.ssh("root", proxy), via.agent()]);
  before(async () => {
    on = await rig();
    proxy = await on.proxy();
    on.write({
      "node_modules/shout/package.json": '{"name":"shout","version":"1.0.0","main":"index.js"}',
      "node_modules/shout/index.js":
        'const { EOL } = require("node:os");\nexports.shout = (text) => text.toUpperCase() + EOL.length;\n',
      "properties/_mark.ts": 'export const mark = "!";\n',
      "properties/greet.ts": greeting("hello"),
    });
    session.consfig?.refresh();
  });
  after(() => on?.stop());

  test("are sent with the npm packages they import", async () => {
    const report = await deploy();
    assertOk(report);
    assert.equal(report.steps[0]?.output, "HELLO ANA!1\n");
    await on.arrived([on.ssh("root", proxy), via.agent()]);
  });

  test("an edit is sent with the next deployment, and nothing else", async (t) => {
    const edited = greeting("good morning");
    on.write({ "properties/greet.ts": edited });
    proxy.reset();
    const report = await deploy();
    assertOk(report);
    assert.equal(report.steps[0]?.output, "GOOD MORNING ANA!1\n");
    t.diagnostic(`${proxy.bytes.up} bytes up; the file is ${gzipped(edited)} bytes gzipped`);
    assert.ok(proxy.bytes.up < gzipped(edited) + 2000, `${proxy.bytes.up} bytes`);
  });

  test("an edit of a module that a property imports is sent too", async () => {
    on.write({ "properties/_mark.ts": 'export const mark = "?";\n' });
    assert.equal((await deploy()).steps[0]?.output, "GOOD MORNING ANA?1\n");
  });

  test("sources pushed when a file is saved are not sent again, and a worker has loaded them", async () => {
    on.write({ "properties/greet.ts": greeting("good night") });
    await pushSources();
    const newest = () =>
      readdirSync(path.join(on.agent, "trees")).filter((name) => !name.includes(".")).length;
    assert.ok(newest() > 1);
    await until("a spare worker", async () => (await on.pids("worker")).length === 1);
    const [spare] = await on.pids("worker");
    await sleep(200);
    proxy.reset();
    const deployment = deploy();
    const report = await deployment;
    assert.equal(report.steps[0]?.output, "GOOD NIGHT ANA?1\n");
    assert.ok(proxy.bytes.up < 1000, `${proxy.bytes.up} bytes`);
    await until("its end", async () => !(await on.pids("worker")).includes(spare ?? 0));
  });

  test("an edit with a syntax error is refused, and the previous sources stay loaded", async () => {
    on.write({ "properties/greet.ts": `${greeting("broken")}\nconst = 1;\n` });
    const report = await deploy();
    assert.equal(report.status, "refused");
    assert.match(report.failure?.message ?? "", /properties\/greet\.ts:17/);
    on.write({ "properties/greet.ts": greeting("fixed") });
    assert.equal((await deploy()).steps[0]?.output, "FIXED ANA?1\n");
  });

  test("an error on the host shows the line of the user's source", async () => {
    on.write({
      "properties/greet.ts": greeting("hello").replace(
        "await target.run",
        "const nothing = undefined as unknown as { word: { length: number } };\n    await target.run([`${nothing.word.length}`]);\n    await target.run",
      ),
    });
    const report = await deploy();
    const failure = report.failed[0]?.failure;
    assert.equal(failure?.name, "TypeError");
    assert.match(failure?.stack ?? "", /^\s+at (Object\.)?apply \(properties\/greet\.ts:13:34\)/);
    assert.doesNotMatch(failure?.stack ?? "", /\/trees\//);
  });

  test("only a few trees are kept on the host, including those in use", async () => {
    for (let i = 0; i < 8; i++) {
      on.write({ "properties/greet.ts": greeting(`edit ${i}`) });
      await pushSources();
    }
    assert.equal((await deploy()).steps[0]?.output, "EDIT 7 ANA?1\n");
    const trees = readdirSync(path.join(on.agent, "trees"));
    assert.ok(trees.length <= 8, `${trees.length} trees`);
    const blobs = readdirSync(path.join(on.agent, "blobs"));
    const linked = new Set(
      trees.flatMap((tree) =>
        (
          JSON.parse(readFileSync(path.join(on.agent, "trees", tree, "tree.json"), "utf8")) as {
            files: { hash: string }[];
          }
        ).files.map(({ hash }) => hash),
      ),
    );
    assert.deepEqual(
      blobs.filter((blob) => !linked.has(blob)),
      [],
    );
  });

  test("the tree of a running deployment is kept, however many trees follow", async () => {
    on.write({
      "properties/late.ts": `import { defprop, schema } from "consfigurator";
export const required = defprop({
  name: "late.required",
  kind: "agent",
  args: schema.object({}),
  call: () => ({}),
  apply: async (_args, target) => {
    await target.run("touch /srv/late; sleep 2");
    const { mark } = require("./_mark") as { mark: string };
    await target.run(["echo", mark], { inform: true });
    return "changed";
  },
});
`,
    });
    session.consfig?.refresh();
    const running = on.deploy([prop("late.required")], [on.ssh("root", proxy), via.agent()]);
    await until("the step", async () => (await on.machine.exec("test -e /srv/late")).exit === 0);
    for (let i = 0; i < 8; i++) {
      on.write({ "properties/greet.ts": greeting(`later ${i}`) });
      await pushSources();
    }
    const report = await running;
    assertOk(report);
    assert.equal(report.steps[0]?.output, "?\n");
  });

  test("a push without a connection is not an error", async () => {
    for (const { connection } of session.connections.open())
      if (isAgentConnection(connection)) connection.agent?.close();
    on.write({ "properties/greet.ts": greeting("unheard") });
    await pushSources();
    assert.equal((await deploy()).steps[0]?.output, "UNHEARD ANA?1\n");
  });
});
