import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { local } from "../../../lib/connection/local";
import { discardSandbox, whyNoClone } from "../../../lib/connection/sandbox";
import { deploy } from "../../../lib/controller/deploy";
import { journals, parseJournal } from "../../../lib/controller/journals";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import { openConsfig } from "../../../lib/source/consfig";
import * as via from "../../../lib/via";
import { cmd } from "../../../properties";
import { outline } from "../../support/outline";
import { until } from "../../support/until";

const name = "journals-test";
const hops = [via.sandbox({ name }), via.agent()] as const;

after(async () => {
  await session.close();
  await discardSandbox(name).catch(() => {});
});

test("the journal lists deployments through an agent, newest first", {
  skip: whyNoClone() ?? false,
}, async () => {
  session.consfig = openConsfig(`${__dirname}/../../bench/consfig`);
  const host = defhost("journalled.example.org", { deploy: hops }, cmd.single("true"));
  const first = await deploy(host);
  // The agent enters it when it has arrived.
  await until("the first one", async () => (await journals(host.name, hops, 1)).some(({ over }) => over));
  const second = await deploy(host, cmd.single("echo no; false"));
  const [newest, before] = await journals(host.name, hops, 2);
  assert.deepEqual(
    [newest, before].map((each) => each && outline(each.report.steps)),
    [second, first].map((report) => outline(report.steps)),
  );
  assert.deepEqual(
    [newest?.report.status, before?.report.status, newest?.over, newest?.report.host],
    ["failed", "changed", true, host.name],
  );
  assert.match(newest?.by ?? "", /^.+@.+$/);
  assert.ok(Math.abs(Date.parse(newest?.at ?? "") - Date.now()) < 600_000);
});

test("without an agent there is no journal", async () => {
  await assert.rejects(journals("bare.example.org", [local()], 1), {
    name: "FailedChange",
    message: "bare.example.org has no agent, so it has no log; add via.agent() to its hops",
  });
});

describe("a journal that lies", () => {
  const started = {
    started: { host: "web2", by: "ana\u001b[2J@laptop\n", at: "2026-01-01T00:00:00.000Z", socket: "s" },
  };
  const step = { kind: "step-started", step: 1, property: "cmd.single", desc: "x\u001b]0;t\u0007", site: "" };
  const outcome = { change: "changed", failed: false, cancelled: false };
  const journal = (...lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

  test("is that of the host where it was read, and clean", () => {
    const [found, ...more] = parseJournal(
      `${journal(null, 7, "x", started, { n: 0, event: { ...step, host: "web2" } }, { outcome })}{"n": 1, "ev`,
      "web1",
    );
    assert.deepEqual([more, found?.by, found?.over], [[], "ana@laptop", true]);
    assert.deepEqual(
      [found?.report.host, found?.report.status, found?.report.steps[0]?.desc],
      ["web1", "changed", "x"],
    );
  });

  test("is refused where it cannot be one", () => {
    assert.throws(
      () => parseJournal(journal(started, { n: 0, event: step }, { n: 1, event: step }), "web1"),
      {
        message: "cannot read the log of web1: it contains the start of step 1 twice",
      },
    );
    assert.throws(() => parseJournal(journal(started, { outcome: { ...outcome, change: "x" } }), "web1"), {
      message:
        'cannot read the log of web1: it contains invalid message "outcome": outcome.change is "x", expected changed or unchanged',
    });
  });
});
