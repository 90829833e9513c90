import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seqprops, unapplied } from "../../../lib/combinators";
import { refuseUnsupported } from "../../../lib/engine/fit";
import { prepare } from "../../../lib/engine/prepare";
import { appliedAnywhere } from "../../../lib/model/application";
import { Refused } from "../../../lib/model/errors";
import { attribute, defhost, type HostState } from "../../../lib/model/host";
import { defprop, type Nested, type PropApp } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { as, deploys, deploysThese, reconnects } from "../../../lib/nested/deploys";
import { hasHostattrs } from "../../../lib/nested/facts";
import { makeChildHost } from "../../../lib/nested/make-host";
import * as via from "../../../lib/via";
import * as toy from "../../support/toy";

const colour = attribute<string>("test/colour");

/** Records the facts of the host while it is prepared. */
const known: (readonly string[])[] = [];
const looks = defprop({
  name: "test.looks",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  hostattrs: (_args, host) => void known.push([...host.all(colour)]),
});
const needs = defprop({
  name: "test.needs",
  kind: "posix",
  args: object({ what: string() }),
  call: (what: string) => ({ what }),
  hostattrs: ({ what }, host) => host.requireData("_test", what),
});
const likesParent = defprop({
  name: "test.likesParent",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  hostattrs: (_args, host) => host.push(colour, `like ${host.parent?.newest(colour) ?? "nobody"}`),
});

const prepared = (...applications: PropApp[]) => {
  known.length = 0;
  return prepare({ name: "a.example.org" }, seqprops(...applications));
};
const nestedIn = (application: PropApp): Nested[] =>
  [...appliedAnywhere(application)].flatMap(({ nested }) => (nested ? [nested] : []));
const attributes = ({ host }: { host: HostState }) => host.attributes;

describe("as and reconnects: the same host, through more hops", () => {
  test("facts recorded before are known inside, those inside are known after, and all are known in the end", () => {
    const { application, model } = prepared(
      hasHostattrs(colour, "before"),
      as("ada", looks(), hasHostattrs(colour, "inside")),
      looks(),
      hasHostattrs(colour, "after"),
    );
    assert.deepEqual(known, [["before"], ["inside", "before"]]);
    assert.deepEqual(model.all(colour), ["after", "inside", "before"]);
    assert.deepEqual(nestedIn(application).map(attributes), [
      { hostname: ["a.example.org"], "test/colour": ["after", "inside", "before"] },
    ]);
  });

  test("inside, only its own prerequisite data is known; the host needs it, too", () => {
    const { application, model } = prepared(
      needs("outside"),
      as("ada", needs("inside"), as("bob", needs("innermost"))),
    );
    assert.deepEqual(
      nestedIn(application).map((nested) => attributes(nested)["data"]),
      [
        [
          ["_test", "innermost"],
          ["_test", "inside"],
        ],
        [["_test", "innermost"]],
      ],
    );
    assert.deepEqual(
      model
        .toJSON()
        .attributes["data"]?.map((pair) => (pair as string[])[1])
        .sort(),
      ["innermost", "inside", "outside"],
    );
  });

  test('as("root", …) makes no hop', () => {
    const { application } = prepared(as("root", toy.changes("a")));
    assert.deepEqual(nestedIn(application), []);
  });

  test("they cannot be unapplied, which is refused before connecting", () => {
    for (const application of [as("ada", toy.changes("a")), reconnects(via.rehome("/srv"), toy.changes("a"))])
      assert.throws(() => prepared(unapplied(application)), /cannot be unapplied/);
  });

  test("all problems inside are reported together, with their lines", () => {
    assert.throws(
      () =>
        prepared(
          as("ada", toy.made("x", { property: "no.such", args: {}, site: "x:1:1" })),
          as("ada", as("b b")),
        ),
      /args\.user is "b b"/,
    );
  });
});

describe("deploys: other hosts", () => {
  const b = defhost("b.example.org", { deploy: [via.ssh()], desc: "second" }, likesParent(), needs("of b"));

  test("do not see the facts of the host around them", () => {
    const { application, model } = prepared(
      hasHostattrs(colour, "red"),
      needs("of a"),
      deploys(b, needs("more")),
    );
    const [nested] = nestedIn(application);
    assert.deepEqual(nested?.host, {
      name: "b.example.org",
      attributes: {
        hostname: ["b.example.org"],
        desc: ["second"],
        "test/colour": ["like nobody"],
        data: [
          ["_test", "more"],
          ["_test", "of b"],
        ],
      },
    });
    assert.deepEqual(
      nested?.hops.map(({ hop }) => hop),
      ["ssh"],
    );
    // To pass it on.
    assert.equal(model.toJSON().attributes["data"]?.length, 3);
    assert.deepEqual(model.all(colour), ["red"]);
  });

  test("except a child host, which is inside it", () => {
    const child = makeChildHost({ hostattrs: { "test/size": [3] } }, likesParent());
    const { application } = prepared(hasHostattrs(colour, "red"), deploys(child, via.chroot("/srv/c")));
    const [nested] = nestedIn(application);
    assert.deepEqual(nested?.host, {
      name: "a.example.org",
      attributes: { hostname: ["a.example.org"], "test/size": [3], "test/colour": ["like red"] },
      parent: { name: "a.example.org", attributes: { hostname: ["a.example.org"], "test/colour": ["red"] } },
    });
  });

  test("deploysThese: its usual facts are known, its usual data is not needed", () => {
    const { application } = prepared(
      deploysThese(b, toy.changes("x"), needs("this")),
      deploysThese("b.example.org", toy.changes("y")),
    );
    const [one, other] = nestedIn(application);
    assert.deepEqual(one && attributes(one), {
      hostname: ["b.example.org"],
      desc: ["second"],
      "test/colour": ["like nobody"],
      data: [["_test", "this"]],
    });
    assert.equal(other && attributes(other)["data"], undefined);
    assert.deepEqual(
      [...appliedAnywhere(other?.application as PropApp)].map(({ property }) => property),
      ["eseqprops", "toy.changes"],
    );
  });

  test("just a name is enough with hops; without hops it is refused", () => {
    const { application } = prepared(deploysThese("c.example.org", via.ssh(), toy.changes("x")));
    assert.deepEqual(nestedIn(application)[0]?.host.attributes, { hostname: ["c.example.org"] });
    const refused = (name: string) => {
      const application = deploysThese(name, toy.changes("x"));
      assert.throws(
        () => prepared(application),
        (error: Error) =>
          error.message.endsWith(
            `${application.site}: no hops given, and the host ${name} ${why}; add hops, such as via.ssh({ user: "root" })`,
          ),
      );
    };
    let why = "is not defined";
    refused("c.example.org");
    why = "has none";
    refused(defhost("bare.example.org").name);
    assert.throws(() => deploys(makeChildHost()), {
      message: 'no hops given, and the host has none; add hops, such as via.ssh({ user: "root" })',
    });
  });

  test("a host is found by name wherever it is defined, also later, or inside itself", () => {
    const application = deploysThese("late.example.org", toy.changes("x"));
    defhost(
      "late.example.org",
      { deploy: [via.ssh()] },
      hasHostattrs(colour, "red"),
      needs("other"),
      application,
    );
    const [nested] = nestedIn(prepared(application).application);
    assert.deepEqual(
      nested?.hops.map(({ hop }) => hop),
      ["ssh"],
    );
    assert.deepEqual(nested && attributes(nested), {
      hostname: ["late.example.org"],
      "test/colour": ["red"],
    });
  });

  test("hops may be in a list", () => {
    const { application } = prepared(deploys(b, [via.ssh(), via.agent()], toy.changes("x")));
    assert.deepEqual(
      nestedIn(application)[0]?.hops.map(({ hop }) => hop),
      ["ssh", "agent"],
    );
  });
});

describe("refusals before connecting", () => {
  const cases: [
    name: string,
    application: () => PropApp,
    hops: ReturnType<typeof via.agent>[],
    complaints: RegExp[],
  ][] = [
    [
      "this machine inside another",
      () => reconnects([via.rehome("/srv"), via.local()], toy.changes("a")),
      [via.agent()],
      [
        /^reconnects\(.*\) at test\/lib\/nested\/deploys\.test\.ts:\d+:\d+: via\.local\(\) must be the first hop: it means the machine you are working on$/,
      ],
    ],
    [
      "an agent after an agent, three levels deep",
      () =>
        as("ada", reconnects(via.chroot("/srv/c"), reconnects([via.agent(), via.agent()], toy.changes("a")))),
      [via.agent()],
      [
        /^reconnects\(.*\) at .*: via\.agent\(\) follows via\.agent\(\), which is already an agent; remove one of them$/,
      ],
    ],
    [
      "an agent property over a shell, and another problem",
      () =>
        seqprops(
          deploysThese("b.example.org", via.ssh(), toy.needsAgent("x")),
          as("ada", toy.needsAgent("y")),
          reconnects(via.sandbox(), toy.changes("a")),
        ),
      [via.agent()],
      [
        /^toy\.needsAgent\('x'\) at test\/lib\/nested\/deploys\.test\.ts:\d+:\d+ needs an agent on the host; add via\.agent\(\) to its hops$/,
        /^reconnects\(via\.sandbox\(\), toy\.changes\('a'\)\) at .*: via\.sandbox\(\) must be the first hop/,
      ],
    ],
    [
      "an agent property as another user, without an agent",
      () => as("ada", toy.needsAgent("y")),
      [],
      [/^toy\.needsAgent\('y'\) at .* needs an agent on the host; add via\.agent\(\) to its hops$/],
    ],
  ];
  for (const [name, application, hops, complaints] of cases)
    test(name, () => {
      const { application: tree } = prepared(application());
      assert.throws(
        () => refuseUnsupported("a.example.org", tree, hops),
        (error: Error) => {
          assert.ok(error instanceof Refused);
          assert.equal(error.complaints.length, complaints.length, error.message);
          for (const [index, complaint] of complaints.entries())
            assert.match(error.complaints[index] ?? "", complaint);
          return true;
        },
      );
    });

  test("valid deployments are accepted", () => {
    const { application } = prepared(
      as("ada", toy.needsAgent("x"), reconnects(via.chroot("/srv/c"), toy.needsAgent("y"))),
      deploysThese("b.example.org", via.ssh(), via.agent(), toy.needsAgent("z")),
    );
    refuseUnsupported("a.example.org", application, [via.agent()]);
  });
});
