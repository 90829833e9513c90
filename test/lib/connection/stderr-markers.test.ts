import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { PassThrough } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { GUARD, StderrMarkers } from "../../../lib/connection/_stderr-markers";
import { loginCommand } from "../../../lib/connection/ssh/_login";

/** The bytes of `word` between `markers`. */
const printed = (markers: StderrMarkers, word: string) => execFileSync("sh", ["-c", markers.print(word)]);

test("markers are filtered out and reported, wherever the chunks are split", async () => {
  const markers = new StderrMarkers();
  const before = Buffer.from([0x00, 0x1e, 0x1f, 0xff]);
  const bytes = Buffer.concat([
    printed(markers, "'12 11'"),
    before,
    printed(markers, "7"),
    Buffer.from("after\x1e"),
  ]);
  for (const size of [1, 3, bytes.length]) {
    const source = new PassThrough();
    const reported: string[] = [];
    const got = buffer(markers.filter(source, (marker) => reported.push(marker)));
    for (let at = 0; at < bytes.length; at += size) source.write(bytes.subarray(at, at + size));
    source.end();
    assert.deepEqual(await got, Buffer.concat([before, Buffer.from("after\x1e")]));
    assert.deepEqual(reported, ["12 11", "7"]);
  }
});

test("a marker of a nested connection is passed on at once and whole", async () => {
  const [outer, inner] = [new StderrMarkers(), new StderrMarkers()];
  const source = new PassThrough();
  const reported = new Promise((resolve) => {
    inner
      .filter(
        outer.filter(source, () => {}),
        resolve,
      )
      .resume();
  });
  source.write(printed(inner, "5"));
  assert.equal(await reported, "5");
});

test("a command reports its ids and its exit code, even when killed", async () => {
  for (const [command, code] of [
    ["exit 255", "255"],
    ["kill -KILL $$", "137"],
  ] as const) {
    const markers = new StderrMarkers();
    const child = spawn("sh", ["-c", loginCommand(command, markers.reportingExit(true))]);
    child.stdin.write(`${GUARD}\n`);
    const reported: string[] = [];
    await text(markers.filter(child.stderr, (marker) => reported.push(marker)));
    assert.match(reported[0] ?? "", /^\d+ \d+$/);
    assert.equal(reported[1], code);
  }
});
