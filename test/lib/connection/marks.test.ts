import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { PassThrough } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { StderrMarkers } from "../../../lib/connection/_marks";
import { loginCommand } from "../../../lib/connection/ssh/_login";

/** What `marks` says, as its bytes. */
const said = (marks: StderrMarkers, word: string) => execFileSync("sh", ["-c", marks.say(word)]);

test("marks are taken out and told, however the bytes are cut", async () => {
  const marks = new StderrMarkers();
  const before = Buffer.from([0x00, 0x1e, 0x1f, 0xff]);
  const bytes = Buffer.concat([said(marks, "'12 11'"), before, said(marks, "7"), Buffer.from("after\x1e")]);
  for (const size of [1, 3, bytes.length]) {
    const source = new PassThrough();
    const told: string[] = [];
    const got = buffer(marks.filter(source, (mark) => told.push(mark)));
    for (let at = 0; at < bytes.length; at += size) source.write(bytes.subarray(at, at + size));
    source.end();
    assert.deepEqual(await got, Buffer.concat([before, Buffer.from("after\x1e")]));
    assert.deepEqual(told, ["12 11", "7"]);
  }
});

test("a mark of one connection inside another's is handed on at once, to its end", async () => {
  const [outer, inner] = [new StderrMarkers(), new StderrMarkers()];
  const source = new PassThrough();
  const told = new Promise((resolve) => {
    inner
      .filter(
        outer.filter(source, () => {}),
        resolve,
      )
      .resume();
  });
  source.write(said(inner, "5"));
  assert.equal(await told, "5");
});

test("a command tells its ids and its exit code, whatever ends it", async () => {
  for (const [command, code] of [
    ["exit 255", "255"],
    ["kill -KILL $$", "137"],
  ] as const) {
    const marks = new StderrMarkers();
    const child = spawn("sh", ["-c", loginCommand(command, marks.tellingExit)]);
    const told: string[] = [];
    await text(marks.filter(child.stderr, (mark) => told.push(mark)));
    assert.match(told[0] ?? "", /^\d+ \d+$/);
    assert.equal(told[1], code);
  }
});
