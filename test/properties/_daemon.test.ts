import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { unapplied } from "../../lib/combinators";
import { imageDumped } from "../../lib/executable/imageDumped";
import type { Report } from "../../lib/model/report";
import * as daemon from "../../properties/daemon";
import { debianStable } from "../../properties/os";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";
import { until } from "../support/until";

/** A service that answers with `answer`, after `more` has run. */
const service = (answer: string, more = "") => `import { existsSync } from "node:fs";
import http from "node:http";
const exists = existsSync;

export function start(): void {
  ${more}
  const server = http.createServer((_request, response) => response.end(${JSON.stringify(answer)}));
  server.listen(process.env["LISTEN_FDS"] ? { fd: 3 } : { port: 1300, host: "127.0.0.1" });
  process.once("SIGTERM", () => process.exit(0));
}
void exists;
`;
const crashesLater = "setTimeout(() => process.exit(9), 300);";
const crashesOnRequest = `if (exists("/etc/web-crash")) ${crashesLater}`;

describe("health and rollback of daemon.running on a real host", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
  });
  after(() => on?.stop());

  const dumped = imageDumped("/usr/local/bin/web", { module: "/services/web", call: "start" });
  const url = "http://127.0.0.1:1300/";
  const running = (options: daemon.DaemonOptions) =>
    daemon.running("web", { healthy: url, patience: 3, steady: 1, ...options });
  const listening = { listen: ["127.0.0.1:1300"] };
  const deployed = (text: string, options: daemon.DaemonOptions = {}, ...more: (typeof dumped)[]) => {
    on.write({ "services/web.ts": text });
    return on.deploy([debianStable("bookworm", "amd64"), dumped, running(options), ...more]);
  };
  const failure = (report: Report) => report.failed.at(-1)?.failure?.message ?? JSON.stringify(report);
  const answer = async () =>
    (
      await on.machine.exec(
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/1300; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; tail -1 <&3'`,
      )
    ).stdout;
  const show = async (name: string) => (await on.machine.run(`systemctl show web.service -P ${name}`)).trim();
  const crash = async () => {
    await on.machine.run("touch /etc/web-crash; systemctl restart web");
    await until("it crashes again and again", async () => Number(await show("NRestarts")) >= 3);
  };

  test("a good fix of a crash-looping service stays, with and without a socket", {
    timeout: limit(180),
  }, async () => {
    for (const options of [{}, listening]) {
      assertOk(await deployed(service("one", crashesOnRequest), options));
      await crash();
      const unchanged = await deployed(service("one", crashesOnRequest), options);
      assert.match(
        failure(unchanged),
        /^web\.service (was started but )?is not healthy: it exited (\(code 9\)|and was restarted( \d+ times, last \d+ s ago)?)/,
      );
      assertOk(await deployed(service("fixed"), options));
      assert.equal(await answer(), "fixed");
      await on.machine.run("rm /etc/web-crash");
      const again = await deployed(service("fixed"), options);
      assert.equal(again.status, "unchanged");
    }
  });

  test("one good answer is not health: the running version is left alone", async () => {
    assertOk(await deployed(service("one"), listening));
    const pid = await show("MainPID");
    const report = await deployed(service("dies", crashesLater), listening);
    assert.equal(
      failure(report),
      "web.service is not healthy: it exited (code 9); it was tried beside the previous version, which keeps running; the failed executable is kept as /usr/local/lib/consfigurator/broken/web/web",
    );
    assert.equal(await show("MainPID"), pid);
    assert.equal(await answer(), "one");
  });

  test("what cannot be tried beside the other is rolled back", async () => {
    assertOk(await deployed(service("one")));
    const report = await deployed(service("dies", crashesLater));
    assert.equal(
      failure(report),
      "web.service is not healthy: it exited (code 9); rolled back to the previous version; the failed executable is kept as /usr/local/lib/consfigurator/broken/web/web",
    );
    assert.equal(await answer(), "one");
  });

  test("what failed does not become the image, and what is known as broken is not tried again unattended", {
    timeout: limit(180),
  }, async () => {
    const latest = "/root/.cache/consfigurator/images/latest";
    const image = imageDumped();
    assertOk(await deployed(service("one", crashesOnRequest), listening, image));
    await deployed(service("dies", crashesLater), listening, image);
    const pid = await show("MainPID");
    const repeated = await on.machine.exec(latest);
    assert.equal(repeated.exit, 0, repeated.stdout + repeated.stderr);
    assert.equal(await show("MainPID"), pid);
    // The image is of a version that is broken meanwhile, and another one runs.
    assertOk(await deployed(service("two"), listening));
    await on.machine.run("touch /etc/web-crash");
    const tried = await on.machine.exec(latest);
    assert.match(tried.stdout, /it was tried beside the previous version, which keeps running/);
    const refused = await on.machine.exec(latest);
    assert.match(
      refused.stdout,
      /: web\.service: this version was not healthy when it was tried last \(it exited \(code 9\)\), and is not tried again unattended; deploy a mended one, or deploy this one again\n/,
    );
    assert.equal(await answer(), "two");
    assert.match(
      await on.machine.run("journalctl -q -o cat -u web-trial.service -n 100 | grep -c Started"),
      /^\d+\n$/,
    );
    await on.machine.run("rm /etc/web-crash");
    assertOk(await deployed(service("one", crashesOnRequest), listening));
    assertOk(await on.deploy([debianStable("bookworm", "amd64"), unapplied(image)]));
  });

  test("a service that never says that it is ready, and one that does", { timeout: limit(180) }, async () => {
    const notify = { settings: { Type: "notify", NotifyAccess: "all" } };
    const report = await deployed(service("silent"), notify);
    assert.match(
      failure(report),
      /^web\.service is not healthy: it is still activating \(start\) \(waited 3 s\); rolled back to the previous version; /,
    );
    const ready = 'require("node:child_process").execFileSync("systemd-notify", ["--ready"]);';
    assertOk(await deployed(service("ready", ready), notify));
    assert.equal(await answer(), "ready");
  });

  test("an address in use is named, with its process", async () => {
    await on.machine.run(
      "systemd-run -q --unit=squatter systemd-socket-activate -l 127.0.0.1:1301 /bin/cat; until ss -Hltn sport = :1301 | grep -q .; do sleep 0.1; done",
    );
    const report = await deployed(service("elsewhere"), {
      listen: ["127.0.0.1:1301"],
      healthy: "http://127.0.0.1:1301/",
    });
    assert.match(
      failure(report),
      /^web\.service is not healthy: web\.socket cannot listen: 127\.0\.0\.1:1301 is in use by systemd-socket- \(process \d+\); its log:\n(.*\n)*.*Address already in use/,
    );
    await on.machine.run("systemctl stop squatter");
  });

  test("a Unix socket has the mode that is asked for, and is gone when it is stopped", async () => {
    const report = await deployed(service("unix"), {
      listen: ["/run/web.sock"],
      socketSettings: { SocketMode: "0660", SocketGroup: "www-data" },
      healthy: undefined,
    });
    assertOk(report);
    assert.equal(await on.machine.run("stat -c '%a %G' /run/web.sock"), "660 www-data\n");
    await on.machine.run("systemctl stop web.socket");
    assert.equal((await on.machine.exec("ls /run/web.sock")).stdout, "");
  });

  test("a service that ignores SIGTERM is said to", async () => {
    const deaf = `process.on("SIGTERM", () => {});`;
    const settings = { settings: { TimeoutStopSec: "6" } };
    const text = service("deaf", deaf).replace('process.once("SIGTERM", () => process.exit(0));', "");
    assertOk(await deployed(text, settings));
    const report = await deployed(text.replace('"deaf"', '"hearing"'), settings);
    assertOk(report);
    const output = report.steps.find(({ property }) => property === "daemon.running")?.output;
    assert.match(
      output ?? "",
      /^web\.service took \d+ s to end after SIGTERM; clients wait meanwhile, so let it exit when it gets SIGTERM, or set TimeoutStopSec in settings\n/m,
    );
  });

  test("a masked unit is refused", async () => {
    await on.machine.run(
      "systemctl stop web; rm -f /etc/systemd/system/web.*; systemctl -q mask web; systemctl daemon-reload",
    );
    assert.equal(
      failure(await deployed(service("masked"))),
      "web.service is masked, or another unit by that name: /etc/systemd/system/web.service is a link; run `systemctl unmask web.service`, or choose another name",
    );
    assert.equal((await on.machine.exec("readlink /etc/systemd/system/web.service")).stdout, "/dev/null\n");
  });
});
