import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { unapplied } from "../../../lib/combinators";
import { deploy } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { type ImageCall, imageDumped } from "../../../lib/executable/imageDumped";
import type { Host } from "../../../lib/model/host";
import type { Report } from "../../../lib/model/report";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { assertOk, type Rig, rig } from "../agent/_rig";

const cool = `import { shout } from "./words";
import { pad } from "padding";

/** Prints its arguments. */
export function say(...words: unknown[]): void {
  console.log(pad(shout(JSON.stringify(words))));
}

export async function fail(): Promise<void> {
  await Promise.resolve();
  const nothing: { length?: number } | undefined = undefined;
  console.log((nothing as unknown as { length: number }).length);
}

export async function later(): Promise<void> {
  const { pad: same } = await import("padding");
  const { quiet } = await import("./quiet");
  console.log(same(quiet("later")));
}

export const known = () => console.log(Object.keys(process.env).sort().join(), process.argv.length);
export const number = 7;
`;
const files = {
  "services/cool.ts": cool,
  "services/words.ts": "export const shout = (text: string): string => text.toUpperCase();\n",
  "services/quiet.ts": "export const quiet = (text: string): string => `(${text})`;\n",
  "hosts/web.ts": `import { defhost, imageDumped } from "consfigurator";

export const web = defhost(
  "web.example.org",
  imageDumped("/usr/local/bin/cool", { module: "../services/cool", call: "say", args: ["hello", { of: [1, null] }] }),
);
`,
};
const at = "/usr/local/bin/cool";
const call: ImageCall = { module: "/services/cool", call: "say", args: ["hello", { of: [1, null] }] };

describe("imageDumped on a real host", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    const padding = path.join(on.consfig, "node_modules/padding");
    mkdirSync(padding, { recursive: true });
    writeFileSync(
      path.join(padding, "package.json"),
      '{"name":"padding","version":"1.0.0","main":"index.js"}',
    );
    writeFileSync(path.join(padding, "index.js"), "exports.pad = (text) => `  ${text}`;\n");
    on.write(files);
  });
  after(() => on?.stop());

  const dumped = (changes: Partial<ImageCall> = {}, file = at) =>
    on.deploy([imageDumped(file, { ...call, ...changes })]);
  const run = (file = at) => on.machine.exec(`env -i ${file}`);
  const inode = () => statSync(path.join(on.machine.root, at)).ino;
  const failureIn = (report: Report) => report.failed.at(-1)?.failure?.message ?? report.failure?.message;

  test("the function is called in a fresh process, with its imports included", async () => {
    const report = await dumped();
    assertOk(report);
    assert.equal(report.status, "changed");
    assert.deepEqual(await run(), { exit: 0, stdout: '  ["HELLO",{"OF":[1,NULL]}]\n', stderr: "" });
    await dumped({ call: "known", args: [] }, "/opt/known");
    assert.equal((await run("/opt/known")).stdout, " 2\n");
    await dumped({ call: "later", args: [] }, "/opt/later");
    assert.deepEqual(await run("/opt/later"), { exit: 0, stdout: "  (later)\n", stderr: "" });
  });

  test("with the same inputs it is unchanged, and the file is left alone", async () => {
    const before = inode();
    const again = await dumped();
    assertOk(again);
    assert.equal(again.status, "unchanged");
    assert.equal(inode(), before);
  });

  test("all executables share one runtime, a hard link to the agent's; an executable is as small as its code", () => {
    const shared = path.join(on.machine.root, "usr/local/lib/consfigurator");
    const text = readFileSync(path.join(on.machine.root, at), "utf8");
    const [, runtime = ""] = /^#!\/usr\/local\/lib\/consfigurator\/(node-24\S+) /m.exec(text) ?? [];
    assert.ok(statSync(path.join(shared, runtime)).nlink >= 2, "a link, not a copy");
    assert.ok(text.length < 40_000, `${text.length} bytes`);
  });

  test("a host names the module relative to its file; only changed sources are sent", async () => {
    session.consfig?.refresh();
    const proxy = await on.proxy();
    const web = session.consfig?.scope()["web"] as Host;
    const hops = [on.ssh("root", proxy), via.agent()];
    const first = await deploy(web, ...hops);
    assertOk(first);
    assert.equal(first.status, "unchanged", "the same call written differently makes the same executable");
    proxy.reset();
    on.write({ "services/words.ts": "export const shout = (text: string): string => `${text}!`;\n" });
    const second = await deploy(web, ...hops);
    assertOk(second);
    assert.equal(second.status, "changed");
    assert.ok(proxy.bytes.up < 4000, `${proxy.bytes.up} bytes were sent`);
    assert.equal((await run()).stdout, '  ["hello",{"of":[1,null]}]!\n');
  });

  test("replaced in one step while the old one runs", async () => {
    on.write({
      "services/words.ts": `import { existsSync, writeFileSync } from "node:fs";
export const shout = (text: string): string => {
  writeFileSync("/tmp/old-runs", "");
  const waiting = setInterval(() => {
    if (!existsSync("/tmp/replaced")) return;
    clearInterval(waiting);
    console.log("still me");
  }, 20);
  return text;
};
`,
    });
    assertOk(await dumped());
    const running = on.machine.exec(at);
    await on.machine.run("until [ -e /tmp/old-runs ]; do sleep 0.05; done");
    const before = inode();
    on.write({ "services/words.ts": files["services/words.ts"] });
    assertOk(await dumped());
    assert.notEqual(inode(), before);
    await on.machine.run("touch /tmp/replaced");
    assert.match((await running).stdout, /still me/);
    assert.equal((await run()).stdout, '  ["HELLO",{"OF":[1,NULL]}]\n');
  });

  test("its stack traces show the lines of the sources", async () => {
    assertOk(await dumped({ call: "fail", args: [] }, "/opt/fail"));
    const { exit, stderr } = await run("/opt/fail");
    assert.equal(exit, 1);
    assert.match(stderr, /TypeError: Cannot read properties of undefined \(reading 'length'\)/);
    assert.match(stderr, /at fail \(services\/cool\.ts:12:58\)/);
  });

  test("an invalid module is refused with the line, and the old executable stays", async () => {
    const before = inode();
    const none = await dumped({ call: "sai" });
    assert.equal(failureIn(none), "services/cool has no export sai; it exports fail, known, later, say");
    const noFunction = await dumped({ call: "number" });
    assert.equal(
      failureIn(noFunction),
      "number of services/cool must be a function, got number; it exports fail, known, later, say",
    );
    on.write({
      "services/bad.ts": "const x: string[] = [];\nconsole.log(x[0].length);\nexport const say = 1;\n",
    });
    const throws = await dumped({ module: "/services/bad" });
    assert.equal(
      failureIn(throws),
      "cannot load services/bad: TypeError: Cannot read properties of undefined (reading 'length'), at services/bad.ts:2:18",
    );
    on.write({ "services/exits.ts": "process.exit(3);\nexport const say = 1;\n" });
    assert.equal(
      failureIn(await dumped({ module: "/services/exits" })),
      "loading services/exits ended the process with exit code 3",
    );
    assert.equal(inode(), before);
  });

  test("modules and arguments that cannot be sent are refused before connecting", async () => {
    const missing = await dumped({ module: "/services/col" });
    assert.equal(missing.status, "refused");
    assert.match(
      missing.failure?.message ?? "",
      /imageDumped\(.*\) at .*imageDumped\.test\.ts:\d+:\d+: there is no module "\/services\/col" in the consfig; did you mean "\/services\/cool"\?$/,
    );
    on.write({ "services/broken.ts": "export const say = (;\n" });
    const broken = await dumped({ module: "/services/broken" });
    assert.equal(broken.status, "refused");
    assert.match(broken.failure?.message ?? "", /services\/broken\.ts:1:21: Expression expected/);
    assert.throws(() => imageDumped(at, { ...call, args: [{ port: [Number.NaN] }, () => 1] }), {
      message:
        "imageDumped: args.call.args[0].port[0] is NaN, args.call.args[1] is a function; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
    });
    assert.throws(() => imageDumped("cool", call), {
      message: 'imageDumped: args.path is "cool"; it must be an absolute path on the host',
    });
    assert.throws(() => imageDumped(at, { ...call, module: "cool" }), {
      message:
        'imageDumped: args.call.module is "cool"; it must be a module of the consfig, such as "../services/web"',
    });
    // Later deployments are not affected.
    assertOk(await dumped());
  });

  test("an executable that was modified or cannot start is built again", async () => {
    const file = path.join(on.machine.root, at);
    for (const harm of [
      `sed -i 's/start()/stop()/' ${at}`,
      `chmod 644 ${at}`,
      `rm ${at}`,
      "rm /usr/local/lib/consfigurator/node-*",
    ]) {
      await on.machine.run(harm);
      const report = await dumped();
      assertOk(report);
      assert.equal(report.status, "changed", harm);
      assert.equal((await run()).stdout, '  ["HELLO",{"OF":[1,NULL]}]\n', harm);
    }
    assert.ok(existsSync(file));
  });

  test("snapshot: true starts from the state after loading the module, if the code supports that", async () => {
    on.write({
      "services/slow.ts": `import http from "node:http";
import { platform } from "node:os";
const begun = process.hrtime.bigint();
export const say = (...words: string[]) => console.log(begun, typeof http.createServer, platform(), words.join(" "), process.argv.length);
export const fails = () => { throw new Error("as it was meant to"); };
`,
      "services/unfit.ts": `import { createServer } from "node:http";
const server = createServer();
export const say = () => console.log(typeof server);
`,
    });
    const slow = { module: "/services/slow", args: ["one", "two"], snapshot: true };
    assertOk(await dumped(slow, "/opt/slow"));
    const [first, again] = [await run("/opt/slow"), await run("/opt/slow")];
    assert.match(first.stdout, /^[0-9]+n function linux one two 2\n$/);
    assert.deepEqual(again, first, "the module was loaded once, when the snapshot was taken");
    assert.equal((await dumped(slow, "/opt/slow")).status, "unchanged");
    assertOk(await dumped({ ...slow, call: "fails" }, "/opt/slow"));
    assert.match(
      (await run("/opt/slow")).stderr,
      /Error: as it was meant to\n\s+at fails \(services\/slow\.ts:5:36\)/,
    );
    assert.equal((await on.machine.run("ls /usr/local/lib/consfigurator/snapshots | wc -l")).trim(), "1");
    const unfit = await dumped({ module: "/services/unfit", args: [], snapshot: true }, "/opt/unfit");
    assertOk(unfit);
    assert.match(
      unfit.steps.at(-1)?.output ?? "",
      /started without a snapshot: the code does not support one: .+\n/,
    );
    assert.equal((await run("/opt/unfit")).stdout, "object\n");
    for (const file of ["/opt/slow", "/opt/unfit"])
      assertOk(await on.deploy([unapplied(imageDumped(file, call))]));
    assert.equal((await on.machine.run("ls /usr/local/lib/consfigurator/snapshots | wc -l")).trim(), "0");
  });

  test("a module may import the engine itself", async () => {
    on.write({
      "services/engine.ts": `import { schema } from "consfigurator";
export const say = (): void => console.log(schema.problems(schema.line(), 7).join());
`,
    });
    assertOk(await dumped({ module: "/services/engine", args: [] }));
    const { stdout, stderr } = await run();
    assert.equal(stdout, "args is 7; it must be one line, without its newline\n", stderr);
  });

  test("unapplying removes it, and the runtime with the last executable", async () => {
    const shared = path.join(on.machine.root, "usr/local/lib/consfigurator");
    const runtimes = async () =>
      (await on.machine.exec(`ls ${"/usr/local/lib/consfigurator"} | grep -c node-`)).stdout;
    for (const file of ["/opt/known", "/opt/later", "/opt/fail"])
      assertOk(await on.deploy([unapplied(imageDumped(file, call))]));
    assert.equal(await runtimes(), "1\n");
    assertOk(await on.deploy([unapplied(imageDumped(at, call))]));
    assert.equal(await runtimes(), "0\n");
    assert.ok(!existsSync(path.join(on.machine.root, at)));
    assert.ok(existsSync(shared));
  });
});
