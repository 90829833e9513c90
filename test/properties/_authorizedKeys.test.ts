import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AUTHORIZED_KEY, parseKey, withKeys, withoutKeys } from "../../properties/_authorizedKeys";

const ed = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z";
const rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDZ";

test("a line is options, key and comment", () => {
  for (const [line, options, key, comment] of [
    [ed, "", ed, ""],
    [`${ed} me@laptop at home`, "", ed, "me@laptop at home"],
    [
      `  command="dump \\"a b\\" #data",no-pty\t${rsa.replace(" ", "  ")}  x `,
      'command="dump \\"a b\\" #data",no-pty',
      rsa,
      "x",
    ],
    [`cert-authority,principals="a,b" ${ed}`, 'cert-authority,principals="a,b"', ed, ""],
    ["sk-ssh-ed25519@openssh.com AAAAGnNr k", "", "sk-ssh-ed25519@openssh.com AAAAGnNr", "k"],
  ] as const) {
    assert.deepEqual(parseKey(line), { options, key, comment });
    assert.match(line.trim(), new RegExp(AUTHORIZED_KEY));
  }
  for (const line of ["", "# x", `#${ed}`, `# ${ed}`, "ssh-ed25519", `command="x ${ed}`, "x y"])
    assert.equal(parseKey(line), undefined, line);
});

test("a key is the same with another comment, but not with other options", () => {
  const file = [`${ed} old`, "# note", `from="x" ${rsa} other`];
  assert.deepEqual(withKeys(file, [`${ed} new`]), file);
  assert.deepEqual(withKeys(file, [`from="y" ${ed} new`]), [`from="y" ${ed} new`, ...file.slice(1)]);
  assert.deepEqual(withKeys([`${ed} a`, `no-pty ${ed} b`, `${rsa} c`], [ed]), [`${ed} a`, `${rsa} c`]);
});

test("the same key with several options, in this order", () => {
  const two = [`from="a",command="x" ${ed}`, `from="b" ${ed}`];
  assert.deepEqual(withKeys([`${rsa} c`], two), [`${rsa} c`, ...two]);
  assert.deepEqual(withKeys([...two].reverse(), two), two);
  assert.deepEqual(withKeys([two[1] ?? "", `${rsa} c`], two), [...two, `${rsa} c`]);
});

test("a key is removed with any comment, options and blanks", () => {
  const file = [`${ed}  other `, `from="x" ${ed}`, "# note", ` ${ed}`, `${rsa} c`];
  assert.deepEqual(withoutKeys(file, [`${ed} me`]), ["# note", `${rsa} c`]);
});

const key = fc
  .tuple(
    fc.constantFrom("", "", 'from="192.0.2.0/24" ', "no-pty,no-X11-forwarding ", 'command="a \\" # b" '),
    fc.constantFrom(ed, rsa),
    fc.constantFrom("", " me", " a b#c"),
  )
  .map((parts) => parts.join(""));
const line = fc.oneof(
  key,
  key.map((text) => `#${text}`),
  fc.string().map((text) => text.replaceAll("\n", " ")),
);
const wanted = fc.array(key, { minLength: 1, maxLength: 3 });

test("any file: a second time changes nothing; afterwards no key is there, and nothing else has gone", () => {
  fc.assert(
    fc.property(fc.array(line), wanted, (file, keys) => {
      const result = withKeys(file, keys);
      assert.deepEqual(withKeys(result, keys), result);
      const removed = withoutKeys(result, keys);
      assert.deepEqual(removed, withoutKeys(file, keys));
      assert.deepEqual(withoutKeys(removed, keys), removed);
    }),
  );
});
