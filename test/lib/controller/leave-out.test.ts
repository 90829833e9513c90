import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { desc, eseqprops, onChange, seqprops } from "../../../lib/combinators";
import { local } from "../../../lib/connection/local";
import { deploy } from "../../../lib/controller/deploy";
import { defhost } from "../../../lib/model/host";
import { defproplist, type MaybePropApp } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { outline } from "../../support/outline";
import * as toy from "../../support/toy";

beforeEach(() => void toy.takeDone());

const host = (...applications: MaybePropApp[]) =>
  defhost("left.example.org", { deploy: [local()] }, ...applications);

const makesItself = defproplist({
  name: "test.makesItself",
  args: object({ what: string() }),
  call: (what: string) => ({ what }),
  desc: ({ what }) => what,
  parts: () => [toy.changes("n"), toy.fails("o")],
});

test("again: what failed is tried again; with leaveOut it is told, and what waited for it goes on", async () => {
  const first = deploy(
    host(
      eseqprops(toy.fails("a"), toy.changes("b")),
      onChange(toy.changes("c"), toy.fails("d"), toy.changes("e")),
    ),
  );
  const report = await first;
  assert.deepEqual(
    report.failed.map(({ desc }) => desc),
    ["a", "d"],
  );
  assert.deepEqual(outline((await first.again([report])).steps), outline(report.steps));
  const second = first.again([report], { leaveOut: true });
  assert.deepEqual(outline((await second).steps), [
    "skipped a (left out, as you asked after it failed)",
    "changed b",
    "changed c",
    "skipped d (left out, as you asked after it failed)",
    "changed e",
  ]);
  const third = second.again([await second]);
  assert.deepEqual(outline((await third).steps), outline((await second).steps), "it stays left out");
  assert.equal((await third).ok, true);
});

test("one line that makes several: only the one that failed is left out", async () => {
  const deployment = deploy(
    host(...["x", "y", "z"].map((what) => (what === "y" ? toy.fails(what) : toy.fails(`${what}!`)))),
  );
  const report = await deployment;
  const { failed, ...rest } = report;
  const again = await deployment.again([{ ...rest, failed: failed.slice(0, 1) }], { leaveOut: true });
  assert.deepEqual(
    again.steps.map(({ desc, status }) => `${status} ${desc}`),
    ["skipped x!", "skipped y", "failed z!"].map((each, index) => (index === 1 ? "failed y" : each)),
  );
});

test("what a property makes by itself: the property around it is left out; facts are kept", async () => {
  const deployment = deploy(host(makesItself("m"), toy.changes("p")));
  const again = await deployment.again([await deployment], { leaveOut: true });
  assert.deepEqual(
    again.steps.map(({ desc, status }) => `${status} ${desc}`),
    ["skipped m", "changed p"],
  );
});

test("what has another description is found by its line", async () => {
  const deployment = deploy(host(desc("called so", toy.fails("q")), seqprops(toy.changes("r"))));
  const again = await deployment.again([await deployment], { leaveOut: true });
  assert.deepEqual(
    again.steps.map(({ status }) => status),
    ["unchanged", "skipped", "changed"],
  );
});

test("only the hosts of the reports are deployed to again", async () => {
  const [one, two] = ["one", "two"].map((name) =>
    defhost(`${name}.example.org`, { deploy: [local()] }, toy.fails(name)),
  );
  assert.ok(one && two);
  const both = deploy([one, two]);
  const { reports } = await both;
  const again = both.again(reports.slice(1));
  assert.deepEqual(again.hosts, ["two.example.org"]);
  assert.equal((await again).reports.length, 1);
});
