import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { seqprops } from "../../../lib/combinators";
import { local } from "../../../lib/connection/local";
import { deploy } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { registerDataSource } from "../../../lib/data/register";
import { prepare } from "../../../lib/engine/prepare";
import { dataSources } from "../../../lib/model/data-source";
import { InvalidArguments } from "../../../lib/model/errors";
import { attribute, defhost, hosts, shared } from "../../../lib/model/host";
import { defprop } from "../../../lib/model/property";
import { object } from "../../../lib/model/schema";
import { hasHostattrs } from "../../../lib/nested/facts";
import {
  makeChildHost,
  makeHost,
  replacePropspecIntoHost,
  unionPropspecIntoHost,
} from "../../../lib/nested/make-host";
import { outline } from "../../support/outline";
import * as toy from "../../support/toy";

before(() => registerDataSource({ name: "anything", version: () => 1, get: () => "data" }));
after(() => {
  dataSources.restore(new Map());
  return session.close();
});

const colour = attribute<string>("test/colour");
const needsData = defprop({
  name: "test.needsData",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  hostattrs: (_args, host) => host.requireData("web1.example.org", "/etc/key"),
});
const factsIn = (
  host: Parameters<typeof prepare>[0] & { applications: readonly never[] | readonly object[] },
) => prepare(host, seqprops(...(host.applications as never[]))).model;

describe("a host as a value", () => {
  test("is not registered, and can be deployed directly", async () => {
    const made = makeHost("made.example.org", { deploy: [local()], desc: "made" }, toy.changes("a"), null);
    assert.equal(hosts.get("made.example.org"), undefined);
    const report = await deploy(made);
    assert.deepEqual([report.host, outline(report.steps)], ["made.example.org", ["changed a"]]);
  });

  test("starts with the given facts", () => {
    const made = makeHost(
      "made.example.org",
      { desc: "made", hostattrs: { "test/colour": ["red"] } },
      hasHostattrs(colour, "blue"),
    );
    assert.deepEqual(factsIn(made).toJSON().attributes, {
      hostname: ["made.example.org"],
      desc: ["made"],
      "test/colour": ["blue", "red"],
    });
  });

  test("invalid arguments are refused at their line", () => {
    const cases: [make: () => unknown, message: string][] = [
      [() => makeHost("no name"), 'makeHost: name is "no name"; it must be a host name'],
      [
        () => makeHost("made", {}, toy.changes as never),
        'makeHost: properties[0] is a function; it must be a property, such as cmd.single("true")',
      ],
      [
        () => makeHost("made", { hostattrs: { "test/colour": [() => "red"] } }),
        'makeHost: options.hostattrs["test/colour"][0] is a function; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored',
      ],
      [
        () => makeChildHost({ name: "no name" }),
        'makeChildHost: options.name is "no name"; it must be a host name',
      ],
    ];
    for (const [make, message] of cases)
      assert.throws(make, (error: Error) => {
        assert.ok(error instanceof InvalidArguments);
        assert.equal(error.message, message);
        assert.match(error.stack?.split("\n")[1] ?? "", /make-host\.test\.ts/);
        return true;
      });
  });
});

describe("a host made from another", () => {
  const web = defhost(
    "web1.example.org",
    { deploy: [local()], desc: "the web" },
    hasHostattrs(colour, "red"),
    needsData(),
    toy.changes("its own"),
  );

  test("with further properties: they come last, and there are no hops", async () => {
    const more = unionPropspecIntoHost(web, toy.changes("more"));
    assert.equal(more.deploy, undefined);
    assert.equal(hosts.get("web1.example.org"), web);
    const report = await deploy(more, local());
    assert.deepEqual(outline(report.steps).slice(-2), ["changed its own", "changed more"]);
  });

  test("with other properties: its facts are known, except its prerequisite data", async () => {
    const other = replacePropspecIntoHost(web, hasHostattrs(colour, "blue"), toy.changes("other"));
    assert.deepEqual(factsIn(other).toJSON().attributes, {
      hostname: ["web1.example.org"],
      desc: ["the web"],
      "test/colour": ["blue", "red"],
    });
    assert.deepEqual(factsIn(web).all(shared.data), [["web1.example.org", "/etc/key"]]);
    assert.deepEqual(outline((await deploy(other, local())).steps).slice(-1), ["changed other"]);
  });
});
