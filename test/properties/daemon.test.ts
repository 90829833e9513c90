import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { unapplied } from "../../lib/combinators";
import { imageDumped } from "../../lib/executable/imageDumped";
import type { Report } from "../../lib/model/report";
import { root } from "../../lib/util/package";
import * as via from "../../lib/via";
import * as daemon from "../../properties/daemon";
import { debianStable } from "../../properties/os";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";
import { until } from "../support/until";
import { Load } from "../support/visitors";

const source = readFileSync(path.join(root, "services/cool.ts"), "utf8");
const executable = "/usr/local/bin/cool-web-service";
const dumped = imageDumped(executable, { module: "/services/cool", call: "startServer", args: [1234] });
const options: daemon.DaemonOptions = {
  description: "100% cool",
  listen: ["0.0.0.0:1234"],
  healthy: "http://127.0.0.1:1234/healthz",
  environment: { GREETING: 'say "hello" for 100%' },
  state: true,
  patience: 5,
  steady: 1,
};

describe("daemon.running on a real host", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    on.write({ "services/cool.ts": source });
  });
  after(() => on?.stop());

  const running = (changes: daemon.DaemonOptions = {}) =>
    daemon.running("cool-web-service", { ...options, ...changes });
  const deployed = (changes: daemon.DaemonOptions = {}, hops?: Parameters<Rig["deploy"]>[1]) =>
    on.deploy([debianStable("bookworm", "amd64"), dumped, running(changes)], hops);
  const show = async (...names: string[]) =>
    (await on.machine.run(`systemctl show cool-web-service.service --value -p ${names.join(" -p ")}`))
      .trim()
      .split("\n");
  const get = (port = 1234, where = "/") => fetchText(`http://${on.machine.address}:${port}${where}`);
  const edit = (from: string | RegExp, to: string) => {
    const file = path.join(on.consfig, "services/cool.ts");
    writeFileSync(file, readFileSync(file, "utf8").replace(from, to));
  };
  const reset = () => on.write({ "services/cool.ts": source });
  const failureIn = (report: Report) =>
    report.failed.find(({ property }) => property === "daemon.running")?.failure?.message ?? "";

  test("the first deployment serves", async () => {
    const report = await deployed();
    assertOk(report);
    assert.equal((await get()).body.includes("<h1>Who was here</h1>"), true);
    const [pid] = await show("MainPID");
    const { stdout } = await on.machine.exec(
      `tr '\\0' '\\n' < /proc/${pid}/environ | grep -E '^(GREETING|STATE)'; systemctl show -P DynamicUser cool-web-service`,
    );
    assert.equal(stdout, 'STATE_DIRECTORY=/var/lib/cool-web-service\nGREETING=say "hello" for 100%\nyes\n');
    assert.deepEqual(await show("Description", "ActiveState"), ["100% cool", "active"]);
  });

  test("nothing changed: not restarted, and no file is touched", async () => {
    const before = [
      await show("MainPID"),
      statSync(path.join(on.machine.root, "etc/systemd/system/cool-web-service.service")).ino,
    ];
    const report = await deployed();
    assertOk(report);
    assert.equal(report.status, "unchanged");
    assert.deepEqual(
      [
        await show("MainPID"),
        statSync(path.join(on.machine.root, "etc/systemd/system/cool-web-service.service")).ino,
      ],
      before,
    );
  });

  test("systemd-analyze security rates it well", async () => {
    const { stdout } = await on.machine.exec(
      "systemd-analyze security --no-pager cool-web-service.service | tail -1",
    );
    const [, exposure = "10"] = /exposure level for cool-web-service.service: ([0-9.]+)/.exec(stdout) ?? [];
    assert.ok(Number(exposure) <= 2, stdout);
  });

  test("a stopped service is started, and an edited unit is restored", async () => {
    await on.machine.run("systemctl stop cool-web-service.service cool-web-service.socket");
    assertOk(await deployed());
    assert.equal((await get()).status, 200);
    await on.machine.run(
      "sed -i s/ProtectHome=yes/ProtectHome=no/ /etc/systemd/system/cool-web-service.service",
    );
    const report = await deployed();
    assertOk(report);
    assert.deepEqual(await show("ProtectHome"), ["yes"]);
  });

  test("the service starts after a reboot, with its data", async () => {
    await fetchText(`http://${on.machine.address}:1234/`, "entry=Ada");
    await on.machine.reboot();
    await until("the service answers", async () => (await get().catch(() => undefined))?.status === 200);
    assert.match((await get()).body, /<li>Ada<\/li>/);
  });

  test("five deployments of a changed line under load go live at once and lose no request", {
    timeout: limit(240),
  }, async (t) => {
    const proxy = await on.proxy();
    const hops = [on.ssh("root", proxy), via.agent()];
    assertOk(await deployed({}, hops));
    const load = new Load(`http://${on.machine.address}:1234/`, { fresh: 5, kept: 10, pipelining: 3 });
    t.after(() => load.end());
    const times: number[] = [];
    const sent: number[] = [];
    for (let n = 0; n < 5; n++) {
      await sleep(200);
      proxy.reset();
      edit(/<h1>.*<\/h1>/, `<h1>Edition ${n}</h1>`);
      const started = performance.now();
      assertOk(await deployed({}, hops));
      times.push(performance.now() - started);
      sent.push(proxy.bytes.up);
      assert.match((await get()).body, new RegExp(`Edition ${n}`));
    }
    const { done, lost } = await load.end();
    assert.deepEqual(lost, []);
    assert.ok(done > 100, `${done} requests`);
    assert.ok(Math.max(...sent.slice(1)) < 8000, `sent: ${sent.join(", ")}`);
    console.log(
      `# ${done} requests, none lost; ms: ${times.map(Math.round).join(" ")}; bytes sent: ${sent.join(" ")}`,
    );
    reset();
    assertOk(await deployed());
  });

  test("a new version that exits never replaces the running one, and the reason is said", async (t) => {
    reset();
    assertOk(await deployed());
    const load = new Load(`http://${on.machine.address}:1234/`, { fresh: 5 });
    t.after(() => load.end());
    const [before] = await show("MainPID");
    edit("const book =", 'if (port) throw new Error("the database is gone");\n  const book =');
    const report = await deployed();
    const { lost } = await load.end();
    assert.deepEqual(lost, []);
    assert.equal(report.ok, false);
    const message = failureIn(report);
    assert.match(
      message,
      /^cool-web-service\.service is not healthy: it exited \(code 1\); it was tried beside the previous version, which keeps running; the failed executable is kept as \/usr\/local\/lib\/consfigurator\/broken\/cool-web-service\/cool-web-service; its log:\n/,
    );
    assert.match(message, /Error: the database is gone\n\s+at startServer \(services\/cool\.ts:\d+:19\)/);
    assert.match((await get()).body, /Who was here/);
    assert.deepEqual(await show("MainPID"), [before]);
    assert.equal(
      (await on.machine.exec("ls -d /run/systemd/system/*trial* /var/lib/*trial* /var/lib/private/*trial*"))
        .stdout,
      "",
    );
    assert.match(
      (await on.machine.exec("/usr/local/lib/consfigurator/broken/cool-web-service/cool-web-service")).stderr,
      /the database is gone/,
    );
    reset();
    const fixed = await deployed();
    assertOk(fixed);
    assert.equal(fixed.status, "unchanged", "the previous version is running already");
  });

  test("nor does one that runs but answers with an error, after its patience", async () => {
    reset();
    edit('[200, text, "ok\\n"]', '[500, text, "broken\\n"]');
    const report = await deployed({ patience: 1 });
    assert.match(
      failureIn(report),
      /^cool-web-service\.service is not healthy: http:\/\/127\.0\.0\.1:1234\/healthz: status 500 \(waited 1 s\); it was tried beside the previous version, which keeps running; /,
    );
    assert.equal((await get(1234, "/healthz")).status, 200);
    reset();
    assertOk(await deployed());
  });

  test("a unit that keeps the service from running is rolled back too", async () => {
    reset();
    // With a directory of its own, it cannot be tried beside the other.
    const report = await deployed({
      settings: { SystemCallFilter: "~@network-io", RuntimeDirectory: "cool" },
    });
    assert.match(
      failureIn(report),
      /^cool-web-service\.service is not healthy: .*; rolled back to the previous version; /s,
    );
    assert.equal((await get(1234, "/healthz")).status, 200);
    assertOk(await deployed());
  });

  test("the next deployment finishes an interrupted one", async () => {
    reset();
    edit(/<h1>.*<\/h1>/, "<h1>Interrupted</h1>");
    const [before] = await show("MainPID");
    assertOk(await on.deploy([debianStable("bookworm", "amd64"), dumped]));
    await on.machine.run(
      "install -D /dev/null /root/.local/state/consfigurator/pending/daemon-cool-web-service",
    );
    assertOk(await deployed());
    assert.notEqual((await show("MainPID"))[0], before);
    assert.match((await get()).body, /Interrupted/);
    assert.equal((await on.machine.run("ls /root/.local/state/consfigurator/pending")).trim(), "");
  });

  test("another address, and no address", async () => {
    reset();
    assertOk(await deployed({ listen: ["0.0.0.0:1235"], healthy: "http://127.0.0.1:1235/healthz" }));
    assert.equal((await get(1235)).status, 200);
    await assert.rejects(get(1234), /ECONNREFUSED/);
    assertOk(await deployed({ listen: [] }));
    assert.deepEqual(
      (await on.machine.exec("ls /etc/systemd/system | grep cool")).stdout,
      "cool-web-service.service\n",
    );
    assert.equal((await on.machine.exec("ss -tlnH sport = :1234 | wc -l")).stdout, "1\n");
  });

  test("a missing executable is an error", async () => {
    const report = await on.deploy([debianStable("bookworm", "amd64"), daemon.running("other")]);
    assert.equal(
      report.failed.at(-1)?.failure?.message,
      'other.service cannot run /usr/local/bin/other: no such file; put imageDumped("/usr/local/bin/other", …) before daemon.running("other")',
    );
    assert.throws(() => daemon.running("x", { healthy: "localhost" }), {
      message: 'daemon.running: args.healthy is "localhost"; it must be an http or https URL',
    });
  });

  test("without a previous version to roll back to, an unhealthy service is stopped", async () => {
    on.write({ "services/bad.ts": "export const start = () => process.exit(7);\n" });
    const bad = imageDumped("/usr/local/bin/bad", { module: "/services/bad", call: "start" });
    const report = await on.deploy([debianStable("bookworm", "amd64"), bad, daemon.running("bad")]);
    assert.equal(
      failureIn(report),
      "bad.service is not healthy: it exited (code 7); no previous version to roll back to, so the service was stopped; the failed executable is kept as /usr/local/lib/consfigurator/broken/bad/bad",
    );
    assert.equal((await on.machine.exec("systemctl is-active bad")).stdout, "inactive\n");
  });

  test("unapplying leaves nothing behind", async () => {
    const gone = await on.deploy([
      debianStable("bookworm", "amd64"),
      unapplied(running()),
      unapplied(dumped),
      unapplied(daemon.running("bad")),
      unapplied(imageDumped("/usr/local/bin/bad", { module: "/services/bad", call: "start" })),
    ]);
    assertOk(gone);
    const left =
      "find /etc/systemd /usr/local /root/.local -name '*cool*' -o -name '*bad*' -o -name 'node-*'";
    assert.equal((await on.machine.run(left)).trim(), "");
    assert.equal((await on.machine.exec("systemctl is-active cool-web-service")).stdout, "inactive\n");
  });
});

function fetchText(url: string, body?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { agent: false, method: body === undefined ? "GET" : "POST", timeout: 10_000 },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.end(body);
  });
}
