import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { session } from "../../../../lib/controller/session";
import { promised } from "../../../support/load";
import { until } from "../../../support/until";
import { isAlive, type LocalAgent, localAgent } from "../_local";
import { assertOk, prop } from "../_rig";

describe("a deployment that does not end by itself", () => {
  let on: LocalAgent;
  before(async () => {
    on = localAgent();
    assertOk(await on.deploy(prop("probe.runs", "true")));
  });
  after(() => on?.stop());

  for (const [name, how] of [
    ["waits", ""],
    ["spins", ""],
    [
      "spinsBesideCommand",
      "; the commands that it had started were ended: (sh|sleep) \\(pid \\d+\\), (sh|sleep) \\(pid \\d+\\)",
    ],
  ] as const) {
    test(`stuck.${name}: cancelling gives the host back within 5 s, and says what was ended`, async () => {
      const file = path.join(on.dir, name);
      const deployment = on.deploy(prop(`stuck.${name}`, file), prop("probe.runs", "true"));
      await until("the step", () => existsSync(file), 30);
      const next = on.deploy(prop("probe.runs", "echo free"));
      const inTime = promised(5, "giving the host back");
      deployment.stop();
      deployment.cancel();
      const report = await deployment;
      assertOk(await next);
      inTime();
      assert.equal(report.status, "cancelled");
      assert.match(
        report.failure?.message ?? "",
        new RegExp(
          `^the deployment was cancelled; its worker did not stop within 2\\.5 s and was killed in the middle of a step${how}; deploy again to finish that step$`,
        ),
      );
      const command = Number(readFileSync(file, "utf8"));
      if (command) assert.equal(isAlive(command), false);
    });
  }

  test("the commands of a killed worker end before the next deployment runs", async () => {
    const file = path.join(on.dir, "command");
    const deployment = on.deploy(
      prop(
        "probe.runs",
        `echo $$ >${file}; (setsid sleep 47.12 & echo $! >${file}.daemon); sleep 47.13; touch ${file}.late`,
      ),
    );
    await until("the step", () => existsSync(file) && existsSync(`${file}.daemon`), 30);
    const command = readFileSync(file, "utf8").trim();
    const worker = Number(execFileSync("ps", ["-o", "ppid=", "-p", command], { encoding: "utf8" }));
    const next = on.deploy(
      prop("probe.runs", `test -e /proc/$(cat ${file})/exe && echo beside || echo alone`),
    );
    process.kill(worker, "SIGKILL");
    const report = await deployment;
    assert.equal(report.status, "failed");
    assert.match(
      report.failure?.message ?? "",
      /^the deployment was interrupted on the host: its worker was killed; the commands that it had started were ended: sh \(pid \d+\), sleep \(pid \d+\)(, sleep \(pid \d+\))?; deploy again to continue where it stopped$/,
    );
    assert.equal((await next).steps[0]?.output.split("\n").at(-2), "alone");
  });

  test("so do those of a worker that was killed with its supervisor", async () => {
    const file = path.join(on.dir, "orphan");
    const deployment = on.deploy(prop("probe.runs", `echo $$ >${file}; sleep 47.14`));
    await until("the step", () => existsSync(file), 30);
    for (const pid of [...on.pids("supervisor"), ...on.pids("worker")]) process.kill(pid, "SIGKILL");
    assert.equal((await deployment).status, "failed");
    await session.connections.close();
    assertOk(await on.deploy(prop("probe.runs", "true")));
    assert.equal(isAlive(Number(readFileSync(file, "utf8"))), false);
  });
});
