import assert from "node:assert/strict";
import { test } from "node:test";
import { BANNER, type Job, PROTOCOL, stoppedBy } from "../../../lib/agent/messages";
import { decode, encode } from "../../../lib/agent/wire";
import { onChange } from "../../../lib/combinators";
import { HostModel } from "../../../lib/host";
import { prepare } from "../../../lib/prepare";
import * as toy from "../../support/toy";

test("the banner stands on a line of its own and says which protocol is spoken", () => {
  assert.equal(BANNER, `\nconsfigurator-agent ${PROTOCOL}\n`);
});

test("a job arrives as it was: host, tree with its parts, who asked", () => {
  const said = onChange(toy.made("m", toy.states("blue"), toy.changes("a\0é")), toy.rests("b"));
  const { model, application } = prepare({ name: "web1" }, said);
  const job: Job = { deployment: "d1", host: model.toJSON(), application, hops: [], by: "ana@laptop" };
  const arrived = decode(encode(job)) as Job;
  assert.deepEqual(arrived, JSON.parse(JSON.stringify(job)));
  assert.equal(new HostModel(arrived.host).newest(toy.fact), "blue");
});

test("what is skipped says which signal came", () => {
  assert.equal(stoppedBy("stop"), "the deployment was stopped");
  assert.equal(stoppedBy("cancel"), "the deployment was cancelled");
});
