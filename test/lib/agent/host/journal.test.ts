import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { AgentDirectory } from "../../../../lib/agent/host/directory";
import { eventsFrom, Journal, readJournal } from "../../../../lib/agent/host/journal";
import type { JournalLine } from "../../../../lib/agent/shared/journal-line";

let dir: string;
let place: AgentDirectory;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "journal-"));
  place = new AgentDirectory(path.join(dir, "agent"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const started: JournalLine = { started: { host: "web1", by: "ana@laptop", at: "now", socket: "worker-1" } };
const notice = (text: string, n = 0): JournalLine => ({ n, event: { kind: "notice", text } });
const outcome: JournalLine = { outcome: { change: "changed", failed: false, cancelled: false } };

describe("a journal", () => {
  test("can be read while it is written", () => {
    const journal = new Journal(place, "d1");
    assert.deepEqual(readJournal(place, "d1"), []);
    journal.write(started);
    assert.deepEqual(readJournal(place, "d1"), [started]);
    journal.write(notice("a\nb"), notice("é\u2028"));
    assert.deepEqual(readJournal(place, "d1"), [started, notice("a\nb"), notice("é\u2028")]);
    journal.write(outcome);
    journal.close();
    assert.deepEqual(readJournal(place, "d1"), [started, notice("a\nb"), notice("é\u2028"), outcome]);
  });

  test("is closed to others", () => {
    new Journal(place, "d2").close();
    assert.equal(statSync(place.journal("d2")).mode & 0o777, 0o600);
  });

  test("belongs to one deployment: a second of that name is refused", () => {
    new Journal(place, "d3").close();
    assert.throws(() => new Journal(place, "d3"), { code: "EEXIST" });
  });

  test("that is not there is told from an empty one", () => {
    assert.equal(readJournal(place, "d4"), undefined);
    writeFileSync(path.join(place.root, "other.jsonl"), "");
    assert.equal(readJournal(place, "../other"), undefined, "and only journals are read");
  });

  test("a last line that is not whole yet is left for later", () => {
    const journal = new Journal(place, "d5");
    journal.write(started);
    const line = JSON.stringify(notice("later"));
    appendFileSync(place.journal("d5"), line.slice(0, 10));
    assert.deepEqual(readJournal(place, "d5"), [started]);
    appendFileSync(place.journal("d5"), `${line.slice(10)}\n`);
    assert.deepEqual(readJournal(place, "d5"), [started, notice("later")]);
    journal.close();
  });

  test("a line that a full disk has torn for good is passed over", () => {
    writeFileSync(
      place.journal("d6"),
      `${JSON.stringify(started)}\n{"event":{"kin${JSON.stringify(notice("a"))}\n${JSON.stringify(outcome)}\n`,
    );
    assert.deepEqual(readJournal(place, "d6"), [started, outcome]);
  });
});

test("events are told from a number on, in runs without a gap", () => {
  const lines = [started, notice("a"), notice("b", 1), notice("d", 3), outcome];
  const event = (text: string) => ({ kind: "notice", text });
  assert.deepEqual(eventsFrom(lines, 1), [
    { first: 1, events: [event("b")] },
    { first: 3, events: [event("d")] },
  ]);
  assert.deepEqual(eventsFrom(lines, 4), []);
});

test("fifty journals are kept, the latest", () => {
  const many = new AgentDirectory(path.join(dir, "many"));
  for (let day = 1; day <= 60; day++) {
    const file = many.journal(`d${day}`);
    writeFileSync(file, "");
    utimesSync(file, day, day);
  }
  new Journal(many, "today").close();
  const left = readdirSync(many.journals);
  assert.equal(left.length, 50);
  assert.deepEqual(
    [
      left.includes("today.jsonl"),
      left.includes("d60.jsonl"),
      left.includes("d12.jsonl"),
      left.includes("d11.jsonl"),
    ],
    [true, true, true, false],
  );
});
