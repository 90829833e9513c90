import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { eseqprops, seqprops } from "../../../lib/combinators";
import { local } from "../../../lib/connection/local";
import { deployPosix } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import { defprop, type PropApp } from "../../../lib/model/property";
import { object } from "../../../lib/model/schema";
import { outline } from "../../support/outline";
import * as toy from "../../support/toy";

beforeEach(() => void toy.takeDone());
after(() => session.close());

const host = (...applications: PropApp[]) =>
  defhost("web1.example.org", { deploy: [local()] }, ...applications);

/** Records the known facts. */
const knows = defprop({
  name: "test.knowsAll",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "knows",
  apply: async (_args, target) => {
    target.inform(`${target.host.all(toy.fact).join(" ")}\n`);
    return "unchanged";
  },
});

describe("deployPosix", () => {
  test("applies the properties before the first that needs an agent, and skips that and the rest", async () => {
    const needing = toy.needsAgent("b");
    const reason = `toy.needsAgent('b') at ${needing.site} needs an agent on the host; add via.agent() to its hops`;
    const report = await deployPosix(
      host(toy.changes("a"), eseqprops(toy.rests("a2"), needing), seqprops(toy.changes("c"))),
      toy.changes("d"),
    );
    assert.equal(report.status, "changed");
    assert.equal(report.ok, true);
    assert.deepEqual(outline(report.steps), [
      "changed a",
      `skipped a2 (${reason})`,
      `skipped b (${reason})`,
      "skipped c (a property before it needs an agent)",
      "skipped d (a property before it needs an agent)",
    ]);
    assert.deepEqual(
      report.skipped.map(({ site }) => site.replace(/:\d+:\d+$/, "")),
      Array.from({ length: 4 }, () => "test/lib/controller/applicable-prefix.test.ts"),
    );
    assert.deepEqual(toy.takeDone(), ["a"]);
  });

  test("facts of skipped properties are recorded once each", async () => {
    const report = await deployPosix(host(toy.states("x"), knows(), toy.needsAgent("b"), toy.states("y")));
    assert.equal(report.steps.find(({ desc }) => desc === "knows")?.output, "y x\n");
  });

  test("without agent properties it works like deploy, also for several hosts", async () => {
    const { reports } = await deployPosix([host(toy.changes("a"))], toy.rests("b"));
    assert.deepEqual(outline(reports[0]?.steps ?? []), ["changed a", "unchanged b"]);
  });

  test("other refusals stay refusals", async () => {
    const report = await deployPosix(
      host(toy.needsAgent("a"), { property: "no.such", args: {}, site: "x:1:1" }),
    );
    assert.equal(report.status, "refused");
    assert.match(report.failure?.message ?? "", /there is no property no\.such/);
  });
});
