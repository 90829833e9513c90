import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AbortedChange,
  Cancelled,
  ConnectionFailed,
  ConsfigError,
  FailedChange,
  failureOf,
  InapplicableProperty,
  InvalidArguments,
  MissingData,
  Refused,
  RunFailed,
} from "../../../lib/model/errors";

describe("error classes", () => {
  const result = { exit: 1, stdout: "", stderr: "" };
  const rows: [error: ConsfigError, name: string, parents: Function[]][] = [
    [new InapplicableProperty("m"), "InapplicableProperty", [ConsfigError]],
    [new InvalidArguments("m"), "InvalidArguments", [InapplicableProperty]],
    [new Refused("web1", ["m"]), "Refused", [InapplicableProperty]],
    [new FailedChange("m"), "FailedChange", [ConsfigError]],
    [new RunFailed("false", result), "RunFailed", [FailedChange]],
    [new AbortedChange("m"), "AbortedChange", [FailedChange]],
    [new MissingData("m"), "MissingData", [AbortedChange]],
    [new ConnectionFailed("via.local()", "m"), "ConnectionFailed", [AbortedChange]],
    [new Cancelled("m"), "Cancelled", [AbortedChange]],
  ];
  for (const [error, name, parents] of rows) {
    test(`${name} is ${parents.map((parent) => parent.name).join(", ")}`, () => {
      assert.equal(error.name, name);
      for (const parent of parents) assert.ok(error instanceof parent);
      assert.equal(
        error instanceof FailedChange && error instanceof InapplicableProperty,
        false,
        "an error is either refused before connecting or a failure on the host",
      );
    });
  }
});

describe("messages", () => {
  const ran = (command: string, stdout: string, stderr: string) =>
    new RunFailed(command, { exit: 2, stdout, stderr }).message;
  const cases: [name: string, message: string, expected: string][] = [
    ["a hop that failed", new ConnectionFailed("via.sudo()", "no").message, "via.sudo(): no"],
    ["a silent command", ran("false", "", "\n"), "`false` ended with exit code 2"],
    ["the last line of stderr", ran("x", "out", "a\nb\n"), "`x` ended with exit code 2: b"],
    ["else of stdout", ran("x", "a\nout\n", " "), "`x` ended with exit code 2: out"],
    ["a long command", ran("y".repeat(300), "", ""), `\`${"y".repeat(200)}…\` ended with exit code 2`],
    ["one problem", new Refused("web1", ["a\nb"]).message, "web1: a\nb"],
    [
      "several problems",
      new Refused("web1", ["a", "b\nmore"]).message,
      "web1: 2 problems\n  - a\n  - b\n    more",
    ],
  ];
  for (const [name, message, expected] of cases) test(name, () => assert.equal(message, expected));
});

describe("a failure as data", () => {
  test("has name, message and frames, without the message above them", () => {
    const { name, message, stack, ...more } = failureOf(new FailedChange("it\nwent wrong"));
    assert.deepEqual({ name, message, more }, { name: "FailedChange", message: "it\nwent wrong", more: {} });
    assert.match(stack ?? "", /^ {4}at .*errors\.test\.ts:\d+:\d+\)?\n/);
  });

  test("of a command has its complete output", () => {
    const result = { exit: 2, stdout: "a\nb\n", stderr: "c\n" };
    assert.deepEqual(failureOf(new RunFailed("x", result)).command, { command: "x", ...result });
  });

  test("of a thrown non-error has its text", () => {
    assert.deepEqual(failureOf("text"), { name: "Error", message: "text" });
    assert.deepEqual(failureOf(undefined), { name: "Error", message: "undefined" });
    assert.deepEqual(failureOf({ code: 5, at: ["a"] }), {
      name: "Error",
      message: "{ code: 5, at: [ 'a' ] }",
    });
  });

  const loop = new Error("a");
  loop.cause = new Error("b", { cause: loop });
  const ran = new RunFailed("make", { exit: 2, stdout: "", stderr: "no rule" });
  const causes: [name: string, error: Error, message: string][] = [
    [
      "of a chain of causes",
      new FailedChange("no page", { cause: new Error("no server", { cause: "no power" }) }),
      "no page; caused by: no server; caused by: no power",
    ],
    [
      "of a cause that the message contains",
      new FailedChange("cannot: EPERM", { cause: new Error("EPERM") }),
      "cannot: EPERM",
    ],
    [
      "of several causes",
      new AggregateError([new Error("first"), new Error("second"), new Error("first")], "none worked"),
      "none worked; caused by: first; caused by: second",
    ],
    ["of a circular cause", loop, "a; caused by: b"],
    [
      "of a class with complete messages",
      new ConnectionFailed("via.ssh()", "no answer", { cause: new Error("ECONNREFUSED") }),
      "via.ssh(): no answer",
    ],
    [
      "of a failed command",
      new FailedChange("not built", { cause: ran }),
      "not built; caused by: `make` ended with exit code 2: no rule",
    ],
  ];
  for (const [name, error, message] of causes)
    test(`the message ${name}`, () => assert.equal(failureOf(error).message, message));

  test("caused by a command has its output", () => {
    const { command } = failureOf(new FailedChange("not built", { cause: ran }));
    assert.deepEqual(command, { command: "make", exit: 2, stdout: "", stderr: "no rule" });
  });

  test("survives JSON", () => {
    const failure = failureOf(new TypeError("x"));
    assert.deepEqual(JSON.parse(JSON.stringify(failure)), failure);
  });
});

test("of a failed command's last line, only the end is looked at, cleaned and cut", () => {
  const failed = (stderr: string) => new RunFailed("x", { exit: 1, stdout: "", stderr }).message;
  const prefix = "`x` ended with exit code 1: ";
  assert.equal(failed("one\ntwo\u001b]0;title\u001b\\\u001b[2J \n\n"), `${prefix}two`);
  assert.equal(failed("y".repeat(5_000_000)), `${prefix}${"y".repeat(1000)}…`);
});

test("a message that looks like frames adds none to the stack", () => {
  const error = new FailedChange("no\n    at /etc/shadow:1:1");
  assert.doesNotMatch(failureOf(error).stack ?? "", /shadow/);
});
