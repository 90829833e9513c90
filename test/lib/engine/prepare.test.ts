import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { eseqprops, onChange, seqprops, unapplied } from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { appliedAnywhere, definitionOf, unappliable } from "../../../lib/model/application";
import { InapplicableProperty, Refused } from "../../../lib/model/errors";
import { attribute, HostModel } from "../../../lib/model/host";
import { defprop, defproplist, type MaybePropApp, type PropApp } from "../../../lib/model/property";
import { list, object, propapp, string } from "../../../lib/model/schema";
import { as } from "../../../lib/nested/deploys";
import * as toy from "../../support/toy";

const web1 = { name: "web1.example.org" };
const order: string[] = [];
const colours = attribute<string>("test/colour");
const args = object({ what: string() });
const call = (what: string) => ({ what });

/** Records when each of its slots is called. */
const traced = defprop({
  name: "test.traced",
  kind: "posix",
  args,
  call,
  preprocess: ({ what }) => {
    order.push(`preprocess ${what}`);
    return { what: what.toUpperCase() };
  },
  hostattrs: ({ what }, host) => {
    order.push(`hostattrs ${what}, after ${host.all(colours).join(" ") || "nothing"}`);
    host.push(colours, what);
  },
});

/** Has one part for each colour known so far. */
const painted = defproplist({
  name: "test.painted",
  args: object({}),
  call: () => ({}),
  hostattrs: (_args, host) => {
    order.push("hostattrs of the list");
    host.push(colours, "own");
  },
  parts: (_args, host) => {
    order.push("parts");
    return host.all(colours).map((colour) => toy.changes(colour));
  },
});

const refusing = defprop({
  name: "test.refusing",
  kind: "posix",
  args,
  call,
  hostattrs: ({ what }) => {
    throw new InapplicableProperty(`${what} does not fit`);
  },
  apply: async () => "changed",
});

/** The complaints, without sites. */
function complaintsOf(application: PropApp): readonly string[] {
  try {
    prepare(web1, application);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.complaints.map((complaint) =>
      complaint.replaceAll(/ at test\/lib\/engine\/prepare\.test\.ts:\d+:\d+/g, " HERE"),
    );
  }
  throw new assert.AssertionError({ message: "it was not refused" });
}

/** An application as received from another process, or from a consfig without type checks. */
const arrived = (property: string, given: unknown): PropApp => ({
  property,
  args: given,
  site: "test/lib/engine/prepare.test.ts:1:1",
});

beforeEach(() => void order.splice(0));

describe("the order of slots", () => {
  test("every preprocess, then every hostattrs, in the order written", () => {
    prepare(web1, seqprops(traced("a"), onChange(traced("b"), eseqprops(traced("c"))), traced("d")));
    assert.deepEqual(order, [
      "preprocess a",
      "preprocess b",
      "preprocess c",
      "preprocess d",
      "hostattrs A, after nothing",
      "hostattrs B, after A",
      "hostattrs C, after B A",
      "hostattrs D, after C B A",
    ]);
  });

  test("parts are computed once, after the property's own hostattrs, from the facts so far; then prepared like the rest", () => {
    const { application } = prepare(web1, seqprops(traced("a"), painted(), traced("b")));
    assert.deepEqual(order.slice(2), [
      "hostattrs A, after nothing",
      "hostattrs of the list",
      "parts",
      "hostattrs B, after own A",
    ]);
    const [, list] = (application.args as { applications: PropApp[] }).applications;
    assert.deepEqual(
      list?.parts?.map((part) => part.args),
      [{ what: "own" }, { what: "A" }],
    );
  });

  test("parts of parts too", () => {
    const { application, steps } = prepare(
      web1,
      toy.made("outer", toy.made("inner", traced("a"), undefined, toy.changes("b")), toy.changes("c")),
    );
    assert.deepEqual(
      [...appliedAnywhere(application)].map(({ property }) => property),
      ["toy.made", "toy.made", "test.traced", "toy.changes", "toy.changes"],
    );
    assert.equal(steps, 5);
    assert.deepEqual(order, ["preprocess a", "hostattrs A, after nothing"]);
  });

  test("the given application is not modified", () => {
    const given = seqprops(traced("a"), painted());
    const before = JSON.stringify(given);
    const { application } = prepare(web1, given);
    assert.equal(JSON.stringify(given), before);
    assert.notEqual(application, given);
    assert.equal(application.site, given.site);
  });

  test("preparing twice gives the same result", () => {
    const given = seqprops(traced("a"), painted());
    assert.deepEqual(prepare(web1, given).application, prepare(web1, given).application);
  });
});

describe("the prepared host", () => {
  test("has its name, which a property may set", () => {
    const renamed = defprop({
      name: "test.renamed",
      kind: "posix",
      args,
      call,
      hostattrs: ({ what }, host) => host.push(attribute<string>("hostname"), what),
    });
    assert.equal(prepare(web1, toy.changes("a")).name, "web1.example.org");
    assert.equal(prepare(web1, renamed("web2.example.org")).name, "web2.example.org");
  });

  test("initial facts are visible to all properties, and are added to", () => {
    const model = HostModel.named("web1.example.org");
    model.push(colours, "red");
    prepare(web1, traced("a"), model);
    assert.deepEqual(model.all(colours), ["A", "red"]);
  });

  test("facts inside unapplied(…) are not recorded", () => {
    const undoable = defprop({
      name: "test.undoable",
      kind: "posix",
      args,
      call,
      hostattrs: ({ what }, host) => host.push(colours, what),
      apply: async () => "changed",
      unapply: async () => "changed",
    });
    const { model } = prepare(web1, seqprops(undoable("a"), unapplied(undoable("b"))));
    assert.deepEqual(model.all(colours), ["a"]);
  });

  test("of a property that chooses among its arguments, only the facts of the chosen ones", () => {
    const either = defproplist({
      name: "test.either",
      args: object({ one: propapp(), other: propapp() }),
      call: (one: PropApp, other: PropApp) => ({ one, other }),
      parts: ({ one }) => [one],
    });
    const prepared = prepare(web1, either(traced("a"), toy.needsAgent("b")));
    assert.equal(prepared.kind, "posix");
    assert.equal(prepared.steps, 2);
    assert.deepEqual([...prepared.properties], ["test.either", "test.traced"]);
    assert.deepEqual(order, ["preprocess a", "hostattrs A, after nothing"]);
  });

  const kinds: [name: string, application: PropApp, kind: string, agentOnly: number][] = [
    ["posix alone", seqprops(toy.changes("a")), "posix", 0],
    ["one agent among posix", seqprops(toy.changes("a"), toy.needsAgent("b")), "agent", 1],
    ["in a combinator", onChange(toy.changes("a"), as("root", toy.needsAgent("b"))), "agent", 1],
    ["as a part", seqprops(toy.made("m", toy.needsAgent("b"))), "agent", 1],
    ["undone", unapplied(toy.made("m", toy.changes("b"))), "posix", 0],
    ["empty", seqprops(), "posix", 0],
  ];
  for (const [name, application, kind, agentOnly] of kinds) {
    test(`is of kind agent if any property is: ${name}`, () => {
      const prepared = prepare(web1, application);
      assert.equal(prepared.kind, kind);
      assert.equal(prepared.agentOnly.length, agentOnly);
    });
  }

  test("has the names of all properties in it, including parts", () => {
    const { properties } = prepare(web1, onChange(toy.made("m", toy.changes("a")), painted()));
    assert.deepEqual([...properties].sort(), ["onChange", "test.painted", "toy.changes", "toy.made"]);
  });
});

describe("refusals", () => {
  const lists = defproplist({
    name: "test.lists",
    args: object({ parts: list(propapp()) }),
    call: (...parts: PropApp[]) => ({ parts }),
    hostattrs: () => {},
    parts: ({ parts }) => parts,
  });
  const mistaken = defproplist({
    name: "test.mistaken",
    args: object({}),
    call: () => ({}),
    parts: () => [toy.changes as unknown as MaybePropApp],
  });
  const buggy = defprop({
    name: "test.buggy",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    hostattrs: () => {
      throw new RangeError("out of paint");
    },
  });
  const waits = (slot: "preprocess" | "hostattrs" | "parts" | "nested") =>
    defprop({
      name: "test.waits",
      kind: "posix",
      args: object({}),
      call: () => ({}),
      unapply: async () => "changed",
      [slot]: async () => {
        throw new InapplicableProperty("too late");
      },
    })();
  const garbled = defprop({
    name: "test.garbled",
    kind: "posix",
    args,
    call,
    preprocess: () => ({ what: 5 }) as never,
    apply: async () => "changed",
  });
  const tells = defprop({
    name: "test.tells",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    hostattrs: (_args, host) => host.push(attribute<unknown>("test/how"), () => 1, { since: new Date(0) }),
  });
  const late = "is async; it runs before connecting and must return its result synchronously";
  const cases: [name: string, application: () => PropApp, complaints: string[]][] = [
    ...(["preprocess", "hostattrs", "parts", "nested"] as const).map(
      (slot): [string, () => PropApp, string[]] => [
        `${slot} that waits for something`,
        () => waits(slot),
        [`test.waits() HERE: its ${slot} ${late}`],
      ],
    ),
    [
      "invalid arguments from preprocess",
      () => garbled("a"),
      [
        "test.garbled('a') HERE: its preprocess returned invalid arguments: args.what is 5; it must be a string",
      ],
    ],
    [
      "a fact that cannot be sent",
      tells,
      [
        "test.tells() HERE: the fact test/how is a function, the fact test/how.since is a Date; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
      ],
    ],
    ["by a property", () => refusing("a"), ["test.refusing('a') HERE: a does not fit"]],
    [
      "all complaints at once",
      () => seqprops(refusing("a"), toy.changes("b"), onChange(toy.changes("c"), refusing("d"))),
      ["test.refusing('a') HERE: a does not fit", "test.refusing('d') HERE: d does not fit"],
    ],
    [
      "an unknown property, with suggestions",
      () => seqprops(arrived("toy.chages", { what: "a" })),
      ["toy.chages({ what: 'a' }) HERE: there is no property toy.chages; did you mean toy.changes?"],
    ],
    [
      "an unknown property without similar names",
      () => arrived("nowhere.tobefound", {}),
      [
        "nowhere.tobefound({}) HERE: there is no property nowhere.tobefound; is the file that defines it in the consfig?",
      ],
    ],
    [
      "invalid arguments",
      () => arrived("toy.changes", { wat: 1 }),
      [
        'toy.changes({ wat: 1 }) HERE: args.what is missing; args has an unknown field "wat"; it takes "what"',
      ],
    ],
    [
      "unapplying the irreversible",
      () => unapplied(toy.oneWay("a")),
      ["unapplied(toy.oneWay('a')) HERE: toy.oneWay cannot be unapplied"],
    ],
    [
      "unapplying the irreversible, deeply nested",
      () => unapplied(seqprops(toy.changes("a"), toy.made("m", toy.oneWay("b")))),
      [
        "unapplied(seqprops(toy.changes('a'), toy.made('m', toy.oneWay('b')))) HERE: toy.oneWay cannot be unapplied",
      ],
    ],
    [
      "unapplying an unknown property: reported once",
      () => unapplied(arrived("toy.chages", { what: "a" })),
      ["toy.chages({ what: 'a' }) HERE: there is no property toy.chages; did you mean toy.changes?"],
    ],
    [
      "among parts",
      () => lists(refusing("a"), toy.changes("b"), refusing("c")),
      ["test.refusing('a') HERE: a does not fit", "test.refusing('c') HERE: c does not fit"],
    ],
    [
      "a part that is not a property",
      () => mistaken(),
      ['test.mistaken() HERE: parts[0] is a function; it must be a property, such as cmd.single("true")'],
    ],
    [
      "an error of the property's author, with its class",
      () => seqprops(buggy(), refusing("a")),
      ["test.buggy() HERE: RangeError: out of paint", "test.refusing('a') HERE: a does not fit"],
    ],
    [
      "a user other than root, and problems inside",
      () => as("www-data", refusing("a")),
      ["test.refusing('a') HERE: a does not fit"],
    ],
  ];
  for (const [name, application, complaints] of cases) {
    test(name, () => assert.deepEqual(complaintsOf(application()), complaints));
  }

  test("each with its line", () => {
    const [a, b] = [refusing("a"), refusing("b")];
    assert.throws(
      () => prepare(web1, seqprops(a, b)),
      (error: Error) =>
        error.message ===
        `web1.example.org: 2 problems\n  - test.refusing('a') at ${a.site}: a does not fit\n  - test.refusing('b') at ${b.site}: b does not fit`,
    );
  });
});

test("definitionOf suggests similar names", () => {
  assert.equal(definitionOf("seqprops"), seqprops.definition);
  assert.throws(
    () => definitionOf("seqprop"),
    new InapplicableProperty("there is no property seqprop; did you mean seqprops or eseqprops?"),
  );
});

test("hostattrs visits only what is among the arguments", () => {
  const visiting = defprop({
    name: "test.visiting",
    kind: "posix",
    args,
    call,
    hostattrs: ({ what }, _host, visits) => visits.visit(toy.changes(what)),
    apply: async () => "changed",
  });
  assert.deepEqual(complaintsOf(visiting("a")), [
    "test.visiting('a') HERE: its hostattrs visits toy.changes('a') HERE, which is not among its arguments; give it as one, with schema.propapp()",
  ]);
});

describe("unappliable", () => {
  const cases: [application: PropApp, can: boolean][] = [
    [toy.changes("a"), true],
    [toy.oneWay("a"), false],
    [toy.states("a"), true],
    [seqprops(), true],
    [seqprops(toy.changes("a"), toy.states("b")), true],
    [eseqprops(toy.changes("a"), toy.oneWay("b")), false],
    [onChange(toy.changes("a"), toy.oneWay("b")), true],
    [onChange(toy.oneWay("a"), toy.changes("b")), false],
    [as("root", toy.changes("a")), true],
    [as("root", toy.oneWay("a")), false],
    [unapplied(toy.changes("a")), true],
    [toy.made("m", toy.changes("a")), true],
    [toy.made("m", toy.oneWay("a")), false],
  ];
  for (const [application, can] of cases) {
    const prepared = prepare(web1, application).application;
    test(`${JSON.stringify(application.args)} of ${application.property}: ${can ? "yes" : "no"}`, () =>
      assert.equal(unappliable(prepared), can));
  }
});
