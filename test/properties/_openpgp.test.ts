import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fingerprintsOf } from "../../properties/_openpgp";

const key = (name: string): string =>
  readFileSync(path.join(__dirname, "../support/repository", `${name}.asc`), "utf8");

test("the fingerprints of keys, as gpg computes them", () => {
  assert.deepEqual(fingerprintsOf(key("shop")), ["76C195A0DC5EBF2E4A12D3B03BC781B23781FA5E"]);
  assert.deepEqual(fingerprintsOf(key("other")), ["CD579386F71B2564C891EDCF4371919F7831CC3F"]);
  assert.deepEqual(fingerprintsOf(key("other").replaceAll("\n", "\r\n")), [
    "CD579386F71B2564C891EDCF4371919F7831CC3F",
  ]);
});

test("a key that is cut, empty or something else has none", () => {
  const lines = key("shop").split("\n");
  assert.equal(fingerprintsOf([...lines.slice(0, 4), ...lines.slice(-3)].join("\n")), undefined);
  assert.equal(fingerprintsOf(`${lines[0]}\n\n${lines.at(-2)}\n`), undefined);
  assert.equal(fingerprintsOf(`${lines[0]}\n\naGVsbG8=\n${lines.at(-2)}\n`), undefined);
});
