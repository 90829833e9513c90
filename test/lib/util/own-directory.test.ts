import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { refusalOf } from "../../../lib/util/own-directory";

const skip = process.geteuid?.() === 0 ? false : "only root can give a directory to somebody else";

test("a directory that somebody else owns or may write to is refused", { skip }, (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), "own-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const made = path.join(dir, "a/b");
  assert.equal(refusalOf(made), undefined);
  assert.equal(statSync(made).mode & 0o7777, 0o700);
  chmodSync(made, 0o775);
  assert.equal(refusalOf(made), `${made} has mode 0775: other users can write to it`);
  chmodSync(made, 0o700);
  chownSync(made, 1234, 1234);
  assert.equal(refusalOf(made), `${made} belongs to uid 1234, and we run as uid 0`);
  chownSync(made, 0, 0);
  chownSync(path.dirname(made), 1234, 1234);
  assert.equal(refusalOf(made), `${path.dirname(made)} belongs to uid 1234, and we run as uid 0`);
  chownSync(path.dirname(made), 0, 0);
  chmodSync(path.dirname(made), 0o777);
  assert.equal(refusalOf(made), `${path.dirname(made)} has mode 0777: other users can write to it`);
  chmodSync(path.dirname(made), 0o1777);
  assert.equal(refusalOf(made), undefined);
  mkdirSync(path.join(dir, "elsewhere"));
  symlinkSync(path.join(dir, "elsewhere"), path.join(dir, "link"));
  assert.equal(refusalOf(path.join(dir, "link")), undefined);
  lchownSync(path.join(dir, "link"), 1234, 1234);
  assert.equal(
    refusalOf(path.join(dir, "link")),
    `${path.join(dir, "link")} belongs to uid 1234, and we run as uid 0`,
  );
  assert.equal(refusalOf("/dev/null/such"), undefined);
});
