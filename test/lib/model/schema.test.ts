import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import type { PropApp } from "../../../lib/model/property";
import {
  absolutePath,
  account,
  applicationsIn,
  boolean,
  either,
  hostname,
  integer,
  json,
  line,
  list,
  mapApplications,
  mode,
  nullable,
  object,
  oneOf,
  optional,
  path,
  problems,
  propapp,
  record,
  type Schema,
  size,
  string,
} from "../../../lib/model/schema";
import { heapInUse } from "../../support/heap";

const application = (property: string): PropApp => ({ property, args: {}, site: "here:1:1" });

interface Word {
  readonly schema: Schema<unknown>;
  readonly allows: readonly unknown[];
  /** Each refused value, with its problems. */
  readonly refuses: readonly (readonly [value: unknown, ...messages: string[]])[];
}

const words: Record<string, Word> = {
  "string()": {
    schema: string(),
    allows: ["", "a", "a\nb"],
    refuses: [
      [1, "args is 1; it must be a string"],
      [null, "args is null; it must be a string"],
      [undefined, "args is undefined; it must be a string"],
      [() => "a", "args is a function; it must be a string"],
    ],
  },
  "string({ minLength })": {
    schema: string({ minLength: 3 }),
    allows: ["abc"],
    refuses: [["ab", 'args is "ab"; it must have at least 3 characters']],
  },
  "string({ minLength: 1, maxLength })": {
    schema: string({ minLength: 1, maxLength: 2 }),
    allows: ["a", "ab"],
    refuses: [
      ["", 'args is ""; it must not be empty'],
      ["abc", 'args is "abc"; it must have at most 2 characters'],
    ],
  },
  "string({ pattern, description })": {
    schema: string({ pattern: "^[0-9]+$", description: "digits" }),
    allows: ["12"],
    refuses: [["1a", 'args is "1a"; it must be digits']],
  },
  "integer()": {
    schema: integer(),
    allows: [0, -3],
    refuses: [
      [1.5, "args is 1.5; it must be a whole number"],
      ["1", 'args is "1"; it must be a whole number'],
    ],
  },
  "integer({ minimum, maximum })": {
    schema: integer({ minimum: 1, maximum: 5 }),
    allows: [1, 5],
    refuses: [
      [0, "args is 0; it must be >= 1"],
      [6, "args is 6; it must be <= 5"],
    ],
  },
  "boolean()": {
    schema: boolean(),
    allows: [true, false],
    refuses: [["yes", 'args is "yes"; it must be true or false']],
  },
  "list(string())": {
    schema: list(string()),
    allows: [[], ["a", "b"]],
    refuses: [
      ["a", 'args is "a"; it must be a list'],
      [["a", 1, null], "args[1] is 1; it must be a string", "args[2] is null; it must be a string"],
    ],
  },
  "list(string(), { minItems })": {
    schema: list(string(), { minItems: 1 }),
    allows: [["a"]],
    refuses: [[[], "args has 0 items; it must have at least 1"]],
  },
  "list(string(), { maxItems })": {
    schema: list(string(), { maxItems: 1 }),
    allows: [["a"]],
    refuses: [[["a", "b"], "args has 2 items; it must have at most 1"]],
  },
  "oneOf(…)": {
    schema: oneOf("stable", "testing"),
    allows: ["stable", "testing"],
    refuses: [["old", 'args is "old"; it must be one of "stable", "testing"']],
  },
  "nullable(string())": {
    schema: nullable(string()),
    allows: ["a", null],
    refuses: [[1, "args is 1; it must be a string, or null"]],
  },
  "either(…)": {
    schema: either(mode(), oneOf("keep", "drop"), list(string())),
    allows: [0o644, "keep", ["a"]],
    refuses: [
      ["x", 'args is "x"; it must be permission bits, such as 0o640, or "keep" or "drop", or a list'],
      [[1], 'args is [1]; it must be permission bits, such as 0o640, or "keep" or "drop", or a list'],
    ],
  },
  "record(integer())": {
    schema: record(integer()),
    allows: [{}, { a: 1, "/etc/b": 2, "0": 3 }],
    refuses: [
      [{ a: "x" }, 'args.a is "x"; it must be a whole number'],
      [{ "/etc/~b": "x" }, 'args["/etc/~b"] is "x"; it must be a whole number'],
      [{ "0": "x" }, 'args[0] is "x"; it must be a whole number'],
    ],
  },
  "json()": { schema: json(), allows: [null, 1, "a", [{}]], refuses: [] },
  "object(…)": {
    schema: object({ path: path(), size: optional(size()) }),
    allows: [{ path: "/a" }, { path: "/a", size: "2G" }, { path: "/a", size: undefined }],
    refuses: [
      [{}, "args.path is missing"],
      [{ path: undefined }, "args.path is missing"],
      [{ path: "/a", sise: "1G" }, 'args has an unknown field "sise"; it takes "path", "size"'],
      [
        { path: 1, size: "x" },
        "args.path is 1; it must be a path on the host",
        'args.size is "x"; it must be a size such as "2GiB"',
      ],
      [undefined, "args is undefined; it must be an object"],
    ],
  },
  "object({})": {
    schema: object({}),
    allows: [{}],
    refuses: [[{ a: 1 }, 'args has an unknown field "a"; it takes no fields']],
  },
  "list(object(…))": {
    schema: list(object({ name: string() })),
    allows: [[{ name: "a" }]],
    refuses: [
      [[{ name: "a" }, { name: 1 }, {}], "args[1].name is 1; it must be a string", "args[2].name is missing"],
    ],
  },
  "path()": {
    schema: path(),
    allows: ["/etc", "rel/ative", "~x"],
    refuses: [
      ["", 'args is ""; it must be a path on the host'],
      ["/a\0", 'args is "/a\\u0000"; it must be a path on the host'],
      ["/a\n", 'args is "/a\\n"; it must be a path on the host'],
    ],
  },
  "absolutePath()": {
    schema: absolutePath(),
    allows: ["/", "/etc/x"],
    refuses: [
      ["etc", 'args is "etc"; it must be an absolute path on the host'],
      ["/a\n", 'args is "/a\\n"; it must be an absolute path on the host'],
    ],
  },
  "line()": {
    schema: line(),
    allows: ["", "a b"],
    refuses: [["a\n", 'args is "a\\n"; it must be one line, without its newline']],
  },
  "account()": {
    schema: account(),
    allows: ["root", "www-data", "0", "_apt", "machine$", "a.b"],
    refuses: ["", "-a", "a b", "a:b", "x".repeat(33)].map((name) => [
      name,
      `args is ${JSON.stringify(name)}; it must be the name of a user or group`,
    ]),
  },
  "mode()": {
    schema: mode(),
    allows: [0, 0o644, 0o7777, 0o1777, 0o2755, 0o4711, 0o620, 0o711, 0o1733],
    refuses: [
      [0o10000, "args is 4096; it must be permission bits, such as 0o640"],
      [-1, "args is -1; it must be permission bits, such as 0o640"],
      ["0644", 'args is "0644"; it must be permission bits, such as 0o640'],
      ...[600, 640, 644, 700, 755, 775, 1777, 2755, 4755].map((number): [number, string] => [
        number,
        `args is ${number}; it must be permission bits, such as 0o640; did you mean 0o${number}?`,
      ]),
    ],
  },
  "size()": {
    schema: size(),
    allows: ["1024", "2G", "2GB", "512MiB"],
    refuses: ["", "G", "2 G", "2g", "-1G", "1.5G"].map((text) => [
      text,
      `args is "${text}"; it must be a size such as "2GiB"`,
    ]),
  },
  "hostname()": {
    schema: hostname(),
    allows: ["a", "web1.example.org", "1.2.3.4", "xn--bcher-kva.example", `${"a".repeat(63)}.org`],
    refuses: ["", "a_b", "a/b", "a..b", "-a", ".a", "a.", `${"a".repeat(64)}.org`, "é"].map((name) => [
      name,
      `args is ${JSON.stringify(name)}; it must be a host name`,
    ]),
  },
  "propapp()": {
    schema: propapp(),
    allows: [application("a")],
    refuses: [
      ["a", 'args is "a"; it must be a property, such as cmd.single("true")'],
      [() => {}, 'args is a function; it must be a property, such as cmd.single("true")'],
      [{ args: {} }, "args.property is missing"],
    ],
  },
  "propapp(), or nothing": {
    schema: object({ then: nullable(propapp()) }),
    allows: [{ then: application("a") }, { then: null }],
    refuses: [
      [{ then: 1 }, 'args.then is 1; it must be a property, such as cmd.single("true"), or null'],
      [{ then: {} }, 'args.then is {}; it must be a property, such as cmd.single("true"), or null'],
    ],
  },
};

for (const [word, { schema, allows, refuses }] of Object.entries(words)) {
  describe(word, () => {
    for (const value of allows)
      test(`allows ${shown(value)}`, () => assert.deepEqual(problems(schema, value), []));
    for (const [value, ...messages] of refuses)
      test(`refuses ${shown(value)}`, () => assert.deepEqual(problems(schema, value), messages));
  });
}

test("a message uses the given name, and abridges the value", () => {
  assert.deepEqual(problems(integer(), "x".repeat(200), "options.port"), [
    `options.port is "${"x".repeat(79)}…; it must be a whole number`,
  ]);
});

describe("mapApplications", () => {
  const renamed = (schema: Schema<unknown>, value: unknown) =>
    mapApplications(schema, value, ({ property, ...rest }) => ({
      ...rest,
      property: property.toUpperCase(),
    }));
  const [a, b, c] = [application("a"), application("b"), application("c")] as const;
  const [A, B, C] = [application("A"), application("B"), application("C")] as const;
  const cases: [name: string, schema: Schema<unknown>, before: unknown, after: unknown][] = [
    ["itself", propapp(), a, A],
    ["a field", object({ one: propapp(), text: string() }), { one: a, text: "a" }, { one: A, text: "a" }],
    ["an optional field, absent", object({ one: optional(propapp()) }), {}, {}],
    ["an optional field, present", object({ one: optional(propapp()) }), { one: a }, { one: A }],
    ["a list", list(propapp()), [a, b], [A, B]],
    ["a record", record(propapp()), { x: a, y: b }, { x: A, y: B }],
    ["null", nullable(propapp()), null, null],
    ["not null", nullable(propapp()), a, A],
    [
      "the alternative that matches",
      either(string(), list(propapp()), object({ only: propapp() })),
      { only: a },
      { only: A },
    ],
    ["an alternative without applications", either(string(), list(propapp())), "a", "a"],
    [
      "deeply nested",
      object({ cases: record(list(object({ when: string(), then: nullable(propapp()) }))), last: propapp() }),
      {
        cases: {
          x: [
            { when: "x", then: a },
            { when: "y", then: null },
          ],
          y: [{ when: "", then: b }],
        },
        last: c,
      },
      {
        cases: {
          x: [
            { when: "x", then: A },
            { when: "y", then: null },
          ],
          y: [{ when: "", then: B }],
        },
        last: C,
      },
    ],
    [
      "an object that only looks like an application",
      object({ data: json(), one: propapp() }),
      { data: b, one: a },
      { data: b, one: A },
    ],
  ];
  for (const [name, schema, before, after] of cases) {
    test(name, () => {
      const kept = structuredClone(before);
      assert.deepEqual(renamed(schema, before), after);
      assert.deepEqual(before, kept, "the given value is left alone");
    });
  }

  test("a value without applications is returned itself, not a copy", () => {
    const value = { lines: ["a"] };
    assert.equal(renamed(object({ lines: list(string()) }), value), value);
  });

  test("applicationsIn returns them in order", () => {
    const schema = object({ when: propapp(), then: list(propapp()) });
    assert.deepEqual(applicationsIn(schema, { when: a, then: [b, c] }), [a, b, c]);
    assert.deepEqual(applicationsIn(string(), "a"), []);
  });
});

function shown(value: unknown): string {
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY }).slice(0, 60);
}

test("schemas of definitions that were replaced are forgotten", async () => {
  const check = (n: number) => problems(object({ [`field${n}`]: string(), of: list(string()) }), { n });
  for (let n = 0; n < 400; n += 1) check(n);
  const before = await heapInUse();
  for (let n = 400; n < 1400; n += 1) check(n);
  const grown = (await heapInUse()) - before;
  assert.ok(grown < 3, `grew by ${grown.toFixed(1)} MB`);
});
