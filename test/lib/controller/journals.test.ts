import assert from "node:assert/strict";
import { after, test } from "node:test";
import { local } from "../../../lib/connection/local";
import { discardSandbox, whyNoClone } from "../../../lib/connection/sandbox";
import { deploy } from "../../../lib/controller/deploy";
import { journals } from "../../../lib/controller/journals";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import { openConsfig } from "../../../lib/source/consfig";
import * as via from "../../../lib/via";
import { cmd } from "../../../properties";
import { outline } from "../../support/outline";

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
