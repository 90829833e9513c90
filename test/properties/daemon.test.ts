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
import { assertOk, type Rig, rig, until } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";

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

  test("one that was stopped is started, and one whose unit was edited is as said again", async () => {
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

  test("it comes back after a reboot, with what it keeps", async () => {
    await fetchText(`http://${on.machine.address}:1234/`, "entry=Ada");
    await on.machine.reboot();
    await until("it serves", async () => (await get().catch(() => undefined))?.status === 200);
    assert.match((await get()).body, /<li>Ada<\/li>/);
  });

  test("a changed line is live at once; ten such deployments under load lose no request", async () => {
    const proxy = await on.proxy();
    const hops = [on.ssh("root", proxy), via.agent()];
    assertOk(await deployed({}, hops));
    const load = new Load(`http://${on.machine.address}:1234/`);
    const times: number[] = [];
    const sent: number[] = [];
    for (let n = 0; n < 10; n++) {
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

  test("one that ends is rolled back at once, and says why", async () => {
    reset();
    const load = new Load(`http://${on.machine.address}:1234/`);
    edit("const book =", 'if (port) throw new Error("the database is gone");\n  const book =');
    const report = await deployed();
    const { lost } = await load.end();
    assert.deepEqual(lost, []);
    assert.equal(report.ok, false);
    const message = failureIn(report);
    assert.match(
      message,
      /^cool-web-service\.service is not healthy: it ended \(exit code 1\); the one before runs again; \/usr\/local\/lib\/consfigurator\/broken\/cool-web-service\/cool-web-service is what failed; it said:\n/,
    );
    assert.match(message, /Error: the database is gone\n\s+at startServer \(services\/cool\.ts:\d+:19\)/);
    assert.match((await get()).body, /Who was here/);
    assert.match(
      (await on.machine.exec("/usr/local/lib/consfigurator/broken/cool-web-service/cool-web-service")).stderr,
      /the database is gone/,
    );
    reset();
    const mended = await deployed();
    assertOk(mended);
    assert.equal(mended.status, "unchanged", "it is the one that runs");
  });

  test("one that runs and does not answer well is rolled back after its time", async () => {
    reset();
    edit('[200, text, "well\\n"]', '[500, text, "unwell\\n"]');
    const report = await deployed({ patience: 1 });
    assert.match(
      failureIn(report),
      /^cool-web-service\.service is not healthy: http:\/\/127\.0\.0\.1:1234\/healthz: it answers with status 500, for 1 s; the one before runs again; /,
    );
    assert.equal((await get(1234, "/healthz")).status, 200);
    reset();
    assertOk(await deployed());
  });

  test("a unit with which it does not run is rolled back, too", async () => {
    reset();
    const report = await deployed({ settings: { SystemCallFilter: "~@network-io" } });
    assert.match(
      failureIn(report),
      /^cool-web-service\.service is not healthy: .*; the one before runs again; /s,
    );
    assert.equal((await get(1234, "/healthz")).status, 200);
    assertOk(await deployed());
  });

  test("a deployment that was broken off is finished by the next", async () => {
    reset();
    edit(/<h1>.*<\/h1>/, "<h1>Broken off</h1>");
    const [before] = await show("MainPID");
    assertOk(await on.deploy([debianStable("bookworm", "amd64"), dumped]));
    await on.machine.run(
      "install -D /dev/null /root/.local/state/consfigurator/pending/daemon-cool-web-service",
    );
    assertOk(await deployed());
    assert.notEqual((await show("MainPID"))[0], before);
    assert.match((await get()).body, /Broken off/);
    assert.equal((await on.machine.run("ls /root/.local/state/consfigurator/pending")).trim(), "");
  });

  test("another address, and none", async () => {
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

  test("what is not there cannot be run", async () => {
    const report = await on.deploy([debianStable("bookworm", "amd64"), daemon.running("other")]);
    assert.equal(
      report.failed.at(-1)?.failure?.message,
      'there is no /usr/local/bin/other for other.service to run; put imageDumped("/usr/local/bin/other", …) before daemon.running("other")',
    );
    assert.throws(() => daemon.running("x", { healthy: "localhost" }), {
      message: 'daemon.running: args.healthy is "localhost"; it must be an http address',
    });
  });

  test("the first that is not healthy is stopped: there is none to go back to", async () => {
    on.write({ "services/bad.ts": "export const start = () => process.exit(7);\n" });
    const bad = imageDumped("/usr/local/bin/bad", { module: "/services/bad", call: "start" });
    const report = await on.deploy([debianStable("bookworm", "amd64"), bad, daemon.running("bad")]);
    assert.equal(
      failureIn(report),
      "bad.service is not healthy: it ended (exit code 7); there is none to go back to, and it was stopped; /usr/local/lib/consfigurator/broken/bad/bad is what failed",
    );
    assert.equal((await on.machine.exec("systemctl is-active bad")).stdout, "inactive\n");
  });

  test("unapplied, nothing of it is left", async () => {
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

/** A constant, bounded load: five visitors, one after the other each. */
class Load {
  readonly #lost: string[] = [];
  #done = 0;
  #over = false;
  readonly #visitors: Promise<void>[];

  constructor(url: string) {
    this.#visitors = Array.from({ length: 5 }, () => this.#visit(url));
  }

  async end(): Promise<{ done: number; lost: readonly string[] }> {
    this.#over = true;
    await Promise.all(this.#visitors);
    return { done: this.#done, lost: this.#lost };
  }

  async #visit(url: string): Promise<void> {
    while (!this.#over) {
      try {
        const { status } = await fetchText(url);
        if (status !== 200) this.#lost.push(`status ${status}`);
      } catch (error) {
        this.#lost.push(String(error));
      }
      this.#done += 1;
      await sleep(20);
    }
  }
}

function fetchText(url: string, body?: string): Promise<{ status: number; body: string }> {
  return new Promise((settled, failed) => {
    const request = http.request(
      url,
      { agent: false, method: body === undefined ? "GET" : "POST", timeout: 10_000 },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => settled({ status: response.statusCode ?? 0, body: text }));
        response.on("error", failed);
      },
    );
    request.on("error", failed);
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.end(body);
  });
}
