import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import * as library from "../../../lib";
import { ConsfigError } from "../../../lib/model/errors";
import { properties } from "../../../lib/model/property";
import * as nouns from "../../../properties";

const { apt, file, os } = nouns;
const { via } = library;
type Any = (...params: unknown[]) => unknown;

const cases: [call: () => unknown, message: string][] = [
  [
    () => (apt.installed as Any)(3),
    'apt.installed: args.names[0] is 3; it must be a package, such as "git", "libc6:i386", "git=1:2.39.5-0" or "git/bookworm-backports"',
  ],
  [() => (file.hasOwnership as Any)("/x"), "file.hasOwnership: owner is missing"],
  [() => (file.hasOwnership as Any)("/x", null), "file.hasOwnership: owner is null; it must be an object"],
  [() => (library.reconnects as Any)(), "reconnects: hops is missing"],
  [
    () => (file.hasMode as Any)("/x", 4999),
    "file.hasMode: args.mode is 4999; it must be permission bits, such as 0o640",
  ],
  [
    () => (file.hasContent as Any)("/x", Buffer.from("x")),
    "file.hasContent: args.content is a Buffer of 1 bytes; it must be a string, or a list",
  ],
];
for (const [call, message] of cases)
  test(message, () =>
    assert.throws(call, (error: Error) => {
      assert.deepEqual([error.name, error.message], ["InvalidArguments", message]);
      assert.match(error.stack ?? "", /\n {4}at .*_call\.test\.ts/);
      return true;
    }),
  );

/** Calls that no type checker would pass, and some that it would. */
const ODD: unknown[][] = [
  [],
  [3],
  [undefined],
  [null],
  ["x", 3],
  ["x", null],
  [["a"]],
  [{}],
  [Buffer.from("x")],
  ["x", Buffer.from("x")],
  ["x", () => 1],
  ["/x", "y", 3],
  [Symbol("s")],
  [() => 1],
];

describe("no property or hop answers wrong arguments with an error of its own code:", () => {
  const callable: [string, Any][] = [
    ...properties.names().map((name): [string, Any] => [name, properties.get(name) as unknown as Any]),
    ...Object.entries(via).map(([name, make]): [string, Any] => [`via.${name}`, make as Any]),
  ];
  for (const [name, call] of callable)
    test(name, () => {
      for (const params of ODD) {
        try {
          call(...params);
        } catch (error) {
          assert.ok(error instanceof ConsfigError, `${name}(${inspect(params)}): ${(error as Error).stack}`);
        }
      }
    });
});

test("permission bits print as they are written, where the schema says that a number is one", () => {
  assert.equal(inspect(file.hasMode("/x", 0o440)), "file.hasMode('/x', 0o440)");
  assert.equal(
    inspect(file.hasContent("/x", ["y"], { mode: 0o600 })),
    "file.hasContent('/x', [ 'y' ], { mode: 0o600 })",
  );
  assert.equal(inspect(library.as("ada", file.hasMode("/x", 0o644))), "as('ada', file.hasMode('/x', 0o644))");
  assert.equal(inspect(os.debianStable("bookworm", "amd64")), "os.debianStable('bookworm', 'amd64')");
});
