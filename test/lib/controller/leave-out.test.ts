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

test("again retries failed steps; with leaveOut they are skipped, and the steps after them run", async () => {
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
    "skipped a (left out after it failed, as requested)",
    "changed b",
    "changed c",
    "skipped d (left out after it failed, as requested)",
    "changed e",
  ]);
  const third = second.again([await second]);
  assert.deepEqual(outline((await third).steps), outline((await second).steps), "it stays left out");
  assert.equal((await third).ok, true);
});

test("of several applications made by one line, only the failed one is left out", async () => {
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

test("for an application that a property makes, the property around it is left out; facts are kept", async () => {
  const deployment = deploy(host(makesItself("m"), toy.changes("p")));
  const again = await deployment.again([await deployment], { leaveOut: true });
  assert.deepEqual(
    again.steps.map(({ desc, status }) => `${status} ${desc}`),
    ["skipped m", "changed p"],
  );
});

test("an application with another description is found by its site", async () => {
  const deployment = deploy(host(desc("called so", toy.fails("q")), seqprops(toy.changes("r"))));
  const again = await deployment.again([await deployment], { leaveOut: true });
  assert.deepEqual(
    again.steps.map(({ status }) => status),
    ["unchanged", "skipped", "changed"],
  );
});

test("only the hosts of the reports are deployed again", async () => {
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
