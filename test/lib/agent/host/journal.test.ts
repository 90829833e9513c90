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
import { eventsFrom, inMessages, Journal, readJournal } from "../../../../lib/agent/host/journal";
import type { JournalLine } from "../../../../lib/agent/shared/journal-line";
import { decode, encode, HOST_WIRE_LIMITS } from "../../../../lib/agent/shared/wire";

let dir: string;
let agentDirectory: AgentDirectory;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "journal-"));
  agentDirectory = new AgentDirectory(path.join(dir, "agent"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const started: JournalLine = { started: { host: "web1", by: "ana@laptop", at: "now", socket: "worker-1" } };
const notice = (text: string, n = 0): JournalLine => ({ n, event: { kind: "notice", text } });
const outcome: JournalLine = { outcome: { change: "changed", failed: false, cancelled: false } };

describe("a journal", () => {
  test("can be read while it is written", () => {
    const journal = new Journal(agentDirectory, "d1");
    assert.deepEqual(readJournal(agentDirectory, "d1"), []);
    journal.write(started);
    assert.deepEqual(readJournal(agentDirectory, "d1"), [started]);
    journal.write(notice("a\nb"), notice("é\u2028"));
    assert.deepEqual(readJournal(agentDirectory, "d1"), [started, notice("a\nb"), notice("é\u2028")]);
    journal.write(outcome);
    journal.close();
    assert.deepEqual(readJournal(agentDirectory, "d1"), [
      started,
      notice("a\nb"),
      notice("é\u2028"),
      outcome,
    ]);
  });

  test("is private to the user", () => {
    new Journal(agentDirectory, "d2").close();
    assert.equal(statSync(agentDirectory.journal("d2")).mode & 0o777, 0o600);
  });

  test("is created once per deployment: a second one is refused", () => {
    new Journal(agentDirectory, "d3").close();
    assert.throws(() => new Journal(agentDirectory, "d3"), { code: "EEXIST" });
  });

  test("that does not exist is undefined, not empty", () => {
    assert.equal(readJournal(agentDirectory, "d4"), undefined);
    writeFileSync(path.join(agentDirectory.root, "other.jsonl"), "");
    assert.equal(readJournal(agentDirectory, "../other"), undefined, "only journals are read");
  });

  test("an incomplete last line is ignored until it is complete", () => {
    const journal = new Journal(agentDirectory, "d5");
    journal.write(started);
    const line = JSON.stringify(notice("later"));
    appendFileSync(agentDirectory.journal("d5"), line.slice(0, 10));
    assert.deepEqual(readJournal(agentDirectory, "d5"), [started]);
    appendFileSync(agentDirectory.journal("d5"), `${line.slice(10)}\n`);
    assert.deepEqual(readJournal(agentDirectory, "d5"), [started, notice("later")]);
    journal.close();
  });

  test("a line truncated by a full disk is skipped", () => {
    writeFileSync(
      agentDirectory.journal("d6"),
      `${JSON.stringify(started)}\n{"event":{"kin${JSON.stringify(notice("a"))}\n${JSON.stringify(outcome)}\n`,
    );
    assert.deepEqual(readJournal(agentDirectory, "d6"), [started, outcome]);
  });
});

test("events are returned from a number on, in runs without a gap", () => {
  const lines = [started, notice("a"), notice("b", 1), notice("d", 3), outcome];
  const event = (text: string) => ({ kind: "notice", text });
  assert.deepEqual(eventsFrom(lines, 1), [
    { first: 1, events: [event("b")] },
    { first: 3, events: [event("d")] },
  ]);
  assert.deepEqual(eventsFrom(lines, 4), []);
});

test("the latest fifty journals are kept", () => {
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

test("with a clock that was set back, the latest journal stays", () => {
  const many = new AgentDirectory(path.join(dir, "future"));
  const tomorrow = Date.now() / 1000 + 86400;
  for (let i = 1; i <= 55; i++) {
    const file = many.journal(`d${i}`);
    writeFileSync(file, "");
    utimesSync(file, tomorrow + i, tomorrow + i);
  }
  new Journal(many, "first").close();
  new Journal(many, "second").close();
  const left = readdirSync(many.journals);
  assert.deepEqual([left.includes("first.jsonl"), left.includes("second.jsonl")], [true, true]);
});

test("events are sent in messages that a controller accepts", () => {
  const output = (text: string) => ({ kind: "step-output", step: 1, stream: "stdout", text }) as const;
  const long = "x".repeat(1024 * 1024);
  const few = [output("a"), output("b")];
  assert.deepEqual([...inMessages(7, few)], [{ first: 7, events: few }]);
  assert.deepEqual([...inMessages(7, [])], []);
  const many = [
    output("a"),
    ...Array.from({ length: 5 }, () => output(long)),
    ...Array(12_000).fill(output("z")),
  ];
  const parts = [...inMessages(7, many)];
  assert.deepEqual(
    parts.map(({ first, events }) => [first, events.length]),
    [
      [7, 2],
      [9, 2],
      [11, 2],
      [13, 5000],
      [5013, 5000],
      [10013, 2000],
    ],
  );
  assert.deepEqual(
    parts.flatMap(({ events }) => events),
    many,
  );
  for (const { first, events } of parts) {
    const frame = encode({ type: "events", deployment: "d", first, events });
    assert.deepEqual(decode(frame, HOST_WIRE_LIMITS), { type: "events", deployment: "d", first, events });
  }
});
