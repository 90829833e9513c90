import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { onChange, seqprops, unapplied } from "../../../lib/combinators";
import { InapplicableProperty, InvalidArguments } from "../../../lib/model/errors";
import { defprop, defproplist, type PropApp, properties, withoutEmpty } from "../../../lib/model/property";
import { DuplicateName, definedBy } from "../../../lib/model/registry";
import { integer, json, list, object, optional, string } from "../../../lib/model/schema";
import { as } from "../../../lib/nested/deploys";
import * as toy from "../../support/toy";

/** The line that calls it, as sites name it. */
const here = () => /property\.test\.ts:\d+/.exec(new Error().stack?.split("\n")[2] ?? "")?.[0] ?? "";

const listens = defprop({
  name: "test.listens",
  kind: "posix",
  args: object({ port: integer({ minimum: 1 }), on: optional(list(string())) }),
  apply: async () => "unchanged",
});

describe("an application", () => {
  test("is frozen, all the way down", () => {
    const application = listens({ port: 80, on: ["::1"] });
    const { args } = application as unknown as { args: { port: number; on: string[] } };
    assert.throws(() => Object.assign(application, { property: "other" }), TypeError);
    assert.throws(() => Object.assign(args, { port: 81 }), TypeError);
    assert.throws(() => args.on.push("::2"), TypeError);
    assert.deepEqual(args, { port: 80, on: ["::1"] });
  });

  test("copies its arguments, so the caller may change the originals", () => {
    const on = ["::1"];
    const application = listens({ port: 80, on });
    on.push("::2");
    assert.deepEqual(application.args, { port: 80, on: ["::1"] });
    assert.equal(inspect(application), "test.listens({ port: 80, on: [ '::1' ] })");
  });

  test("keeps applications among its arguments as they are", () => {
    const inner = toy.changes("a");
    assert.equal((unapplied(inner).args as { application: PropApp }).application, inner);
  });

  describe("refuses arguments that cannot be sent", () => {
    const round: { self?: unknown } = {};
    round.self = { round };
    class Port {}
    const cases: [name: string, value: unknown, problem: string][] = [
      ["a function", () => 1, "args.value is a function"],
      ["NaN and bigint", { a: [Number.NaN, 1n] }, "args.value.a[0] is NaN, args.value.a[1] is 1"],
      [
        "undefined and symbols in a list",
        [undefined, Symbol("x")],
        "args.value[0] is undefined, args.value[1] is a symbol",
      ],
      [
        "class instances",
        { "a b": new Map(), port: new Port() },
        'args.value["a b"] is a Map, args.value.port is a Port',
      ],
      ["circular values", round, "args.value.self.round contains itself"],
    ];
    const anything = defprop({
      name: "test.anything",
      kind: "posix",
      args: object({ value: json() }),
      call: (value: unknown) => ({ value }),
      apply: async () => "unchanged",
    });
    for (const [name, value, problem] of cases)
      test(name, () =>
        assert.throws(() => anything(value), {
          name: "InvalidArguments",
          message: `test.anything: ${problem}; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored`,
        }),
      );

    test("may be made from parameters that cannot be sent", () => {
      const portOf = defprop({
        name: "test.portOf",
        kind: "posix",
        args: object({ port: integer() }),
        call: (server: { port: number; self?: unknown }) => ({ port: server.port }),
        apply: async () => "unchanged",
      });
      const server: { port: number; self?: unknown } = { port: 80 };
      server.self = server;
      assert.deepEqual(portOf(server).args, { port: 80 });
    });

    test("accepts repeated values, objects of another context, and omitted fields", () => {
      const twice = { a: 1 };
      const value = runInNewContext("({ elsewhere: [1, null] })");
      assert.deepEqual(JSON.parse(JSON.stringify(anything([twice, twice, { a: undefined }, value]).args)), {
        value: [{ a: 1 }, { a: 1 }, {}, { elsewhere: [1, null] }],
      });
    });
  });

  test("remembers the line that made it", () => {
    const [application, line] = [toy.changes("a"), here()];
    assert.ok(application.site.startsWith(`test/lib/model/${line}:`), application.site);
  });

  test("is JSON: property, arguments, line", () => {
    const application = toy.changes("a");
    assert.deepEqual(JSON.parse(JSON.stringify(application)), {
      property: "toy.changes",
      args: { what: "a" },
      site: application.site,
    });
  });

  test("is validated when it is made: all problems at once, with a stack that starts at that line", () => {
    let line = "";
    assert.throws(
      () => {
        line = here();
        listens({ port: "80", onn: 1 } as never);
      },
      (error: Error) => {
        assert.ok(error instanceof InvalidArguments && error instanceof InapplicableProperty);
        assert.equal(
          error.message,
          'test.listens: args has an unknown field "onn"; it takes "port", "on"; args.port is "80"; it must be a whole number',
        );
        const [, first] = error.stack?.split(/\n\s+at /) ?? [];
        const next = line.replace(/\d+$/, (number) => String(Number(number) + 1));
        assert.ok(first?.includes(next), `${first} is ${next}`);
        return true;
      },
    );
  });

  test("can be called without arguments when it has no call slot", () => {
    const nothing = defprop({
      name: "test.nothing",
      kind: "posix",
      args: object({}),
      apply: async () => "changed",
    });
    assert.deepEqual(nothing({}).args, {});
    assert.deepEqual((nothing as unknown as () => PropApp)().args, {});
  });
});

describe("prints as the code that makes it", () => {
  const many = Array.from({ length: 150 }, (_, index) => `line ${index}`);
  const deep = { a: { b: { c: { d: { e: ["f"] } } } } };
  const cases: [name: string, value: unknown, code: string][] = [
    ["positional arguments", toy.changes("it's"), `toy.changes("it's")`],
    ["newlines", toy.changes("a\nb"), "toy.changes('a\\nb')"],
    ["an object", listens({ port: 80, on: ["::1"] }), "test.listens({ port: 80, on: [ '::1' ] })"],
    [
      "applications inside",
      onChange(toy.changes("a"), as("root", unapplied(toy.changes("b")))),
      "onChange(toy.changes('a'), as('root', unapplied(toy.changes('b'))))",
    ],
    [
      "nothings",
      seqprops(toy.changes("a"), undefined, false),
      "seqprops(toy.changes('a'), undefined, false)",
    ],
  ];
  for (const [name, value, code] of cases) test(name, () => assert.equal(inspect(value), code));

  test("on one line and unabridged, at any depth, width or length", () => {
    const wide = defprop({
      name: "test.wide",
      kind: "posix",
      args: {},
      call: (value: unknown) => ({ value }),
      apply: async () => "unchanged",
    });
    for (const value of [deep, many, "x".repeat(20_000), { many: [many] }]) {
      const code = inspect(wide(value));
      assert.equal(code.includes("\n"), false);
      assert.deepEqual(new Function("test", `return ${code}`)({ wide: (given: unknown) => given }), value);
    }
  });
});

describe("a definition", () => {
  test("can be looked up by its name, which is also the function's name", () => {
    assert.equal(properties.get("test.listens"), listens as never);
    assert.equal(listens.name, "test.listens");
    assert.equal(listens.definition.kind, "posix");
    assert.match(String(properties.siteOf("test.listens")), /^test\/lib\/model\/property\.test\.ts:\d+:\d+$/);
  });

  test("replaces the previous one of the same file, also for existing applications", () => {
    const define = (kind: "posix" | "agent") =>
      defprop({ name: "test.twice", kind, args: object({}), apply: async () => "changed" });
    define("posix");
    define("agent");
    assert.equal(properties.get("test.twice")?.definition.kind, "agent");
  });

  test("with the name of another file's definition is refused", () => {
    assert.throws(
      () =>
        definedBy("/consfig/properties/other.ts", () =>
          defprop({ name: "toy.changes", kind: "posix", args: object({}), apply: async () => "changed" }),
        ),
      (error: Error) =>
        error instanceof DuplicateName &&
        /^the property "toy\.changes" is defined twice: at test\/support\/toy\.ts:\d+:\d+ and at test\/lib\/model\/property\.test\.ts:\d+:\d+; give one of them another name$/.test(
          error.message,
        ),
    );
  });

  const definition = { name: "test.one", kind: "posix", args: object({}), apply: async () => "unchanged" };
  const mistakes: [name: string, definition: object, problem: string][] = [
    [
      "without a name",
      { ...definition, name: "" },
      'defprop of : name is ""; it must be a name such as "file.containsLines"',
    ],
    [
      "with a space in its name",
      { ...definition, name: "a b" },
      'defprop of a b: name is "a b"; it must be a name such as "file.containsLines"',
    ],
    [
      "without a kind",
      { ...definition, kind: "shell" },
      'defprop of test.one: kind is "shell"; it must be "posix" or "agent"',
    ],
    [
      "without a schema",
      { ...definition, args: undefined },
      "defprop of test.one: args is undefined; it must be a schema, such as schema.object({ path: schema.path() })",
    ],
    [
      "with a misspelled slot",
      { ...definition, chek: async () => true },
      "defprop of test.one: unknown slot chek; did you mean check?",
    ],
    [
      "with an unknown slot",
      { ...definition, whenever: 1 },
      "defprop of test.one: unknown slot whenever; the slots are call, desc, preprocess, hostattrs, mismatch, parts, nested, check, apply, verify, unapply, unappliable, skip",
    ],
    [
      "with a slot that is not a function",
      { ...definition, desc: "one" },
      'defprop of test.one: desc is "one"; it must be a function',
    ],
    [
      "with a flag that is not a boolean",
      { ...definition, inline: "yes" },
      'defprop of test.one: inline is "yes"; it must be true or false',
    ],
    [
      "without a slot that does anything",
      { ...definition, apply: undefined, check: async () => true },
      "defprop of test.one: it needs at least one of hostattrs, parts, nested, apply, unapply; without them it does nothing",
    ],
    [
      "with both parts and apply",
      { ...definition, parts: () => [] },
      "defprop of test.one: it has both parts and apply, which would never be called; remove one of them",
    ],
  ];
  for (const [name, wrong, message] of mistakes) {
    test(`${name} is refused at its line`, () =>
      assert.throws(
        () => defprop(wrong as never),
        (error: Error) => {
          assert.ok(error instanceof InvalidArguments);
          assert.equal(error.message, message);
          assert.match(error.stack?.split(/\n\s+at /)[1] ?? "", /property\.test\.ts/);
          return true;
        },
      ));
  }

  test("made of others is of kind posix: its parts declare their own kinds", () => {
    const both = defproplist({ name: "test.both", args: object({}), parts: () => [toy.needsAgent("a")] });
    assert.equal(both.definition.kind, "posix");
  });
});

describe("an empty value is allowed where an application is expected", () => {
  test("null, undefined and false are dropped", () => {
    const a = toy.changes("a");
    assert.deepEqual(withoutEmpty([null, a, undefined, false]), [a]);
    assert.deepEqual(seqprops(null, a, false).args, { applications: [a] });
    assert.deepEqual(onChange(a, false).args, { when: a, then: [] });
  });

  test("anything else is refused, such as a property that was not called", () => {
    assert.throws(
      () => seqprops(toy.changes("a"), toy.changes as never),
      new InvalidArguments(
        'seqprops: args.applications[1] is a function; it must be a property, such as cmd.single("true")',
      ),
    );
    assert.throws(
      () => onChange(undefined as never, toy.changes("a")),
      new InvalidArguments("onChange: args.when is missing"),
    );
  });
});
