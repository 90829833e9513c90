/** A secret is never seen by accident. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { format, inspect } from "node:util";
import { encode } from "../../../lib/agent/shared/wire";
import { imageDumped } from "../../../lib/executable/imageDumped";
import { failureOf } from "../../../lib/model/errors";
import { notPlainData } from "../../../lib/model/plain-data";
import { Secret } from "../../../lib/model/secret";
import { hasContent, hasMode } from "../../../properties/file";

const text = "hush-hush";
const secret = new Secret(text);

test("a secret as an argument is refused where it is written, by its size", () => {
  const place = /^ {4}at .*secret\.test\.ts:/;
  const rows: [() => unknown, string][] = [
    [
      () => hasContent("/etc/token", secret as never),
      "file.hasContent: args.content is [secret, 9 bytes]; it must be a string, or a list",
    ],
    [
      () => hasMode("/etc/token", { mode: secret } as never),
      "file.hasMode: args.mode is { mode: [secret, 9 bytes] }; it must be permission bits",
    ],
    [
      () =>
        imageDumped("/usr/local/bin/x", { module: "/services/x", call: "start", args: [{ token: secret }] }),
      "imageDumped: args.call.args[0].token is a Secret; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
    ],
  ];
  for (const [call, message] of rows)
    assert.throws(call, (error: Error) => {
      assert.equal(error.name, "InvalidArguments");
      assert.ok(error.message.startsWith(message), error.message);
      assert.match(error.stack?.split("\n")[1] ?? "", place);
      return true;
    });
});

describe("a secret", () => {
  test("gives its bytes to who asks for them", () => {
    assert.equal(secret.reveal().toString(), text);
    assert.equal(secret.size, text.length);
    assert.deepEqual(new Secret(Buffer.from([0, 255])).reveal(), Buffer.from([0, 255]));
  });

  const message =
    "a secret cannot be made into text; pass it on as the content of a file or as the input of a command, or call its reveal()";
  const rows: Record<string, () => unknown> = {
    "a template string": () => `--password=${secret}`,
    "String()": () => String(secret),
    "String.concat": () => "-p".concat(secret as unknown as string),
    "a list joined": () => ["-p", secret].join(" "),
  };
  for (const [name, use] of Object.entries(rows))
    test(`is no text: ${name}`, () => assert.throws(use, { name: "TypeError", message }));

  test("is not serialised", () => {
    const refusal = { name: "TypeError", message: "a secret cannot be serialised" };
    assert.throws(() => JSON.stringify({ secret }), refusal);
    assert.throws(() => encode({ secret }), refusal);
    assert.throws(() => structuredClone(() => secret));
  });

  test("is printed by its size alone, wherever it is", () => {
    const shown = [inspect(secret), format("%o %s", { secret }, [secret]), failureOf({ secret }).message];
    for (const each of shown) {
      assert.match(each, /\[secret, 9 bytes\]/);
      assert.doesNotMatch(each, /hush/);
    }
    assert.doesNotMatch(inspect(secret, { showHidden: true, depth: null }), /hush/);
  });

  test("is no argument of a property", () => {
    assert.deepEqual(notPlainData([{ token: secret }], "args"), [
      "args.token is a Secret; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
    ]);
  });
});
