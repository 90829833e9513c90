import assert from "node:assert/strict";
import { test } from "node:test";
import { tableText } from "../../../lib/explore/_table-text";
import type { Row } from "../../../lib/model/rows";

const plain = (text: string): string => text;
const shown = (rows: readonly Row[], width = 80): string[] => tableText(rows, plain, width).split("\n");

const web = (name: string, memoryBytes: number, more: Row = {}): Row => ({
  host: "web1",
  name,
  memoryBytes,
  ...more,
});

test("columns are aligned, numbers to the right, sizes with a unit, and one host is left out", () => {
  assert.deepEqual(shown([web("cron", 2_900_000), web("systemd-journald", 812)]), [
    "name              memory",
    "cron                2.8M",
    "systemd-journald    812B",
  ]);
});

test("durations are in their two largest units", () => {
  const upSeconds = [5, 3_700, 90_061].map((seconds) => ({ host: "web1", upSeconds: seconds }));
  assert.deepEqual(shown(upSeconds), ["   up", "0m 5s", "1h 1m", "1d 1h"]);
});

test("several hosts are a column", () => {
  assert.deepEqual(shown([web("cron", 1024), { ...web("cron", 0), host: "web2" }]), [
    "host  name  memory",
    "web1  cron    1.0K",
    "web2  cron      0B",
  ]);
});

test("the widest columns are cut until the table fits", () => {
  const lines = shown([web("a".repeat(60), 1, { text: "b".repeat(40) }), web("c", 2, { text: "d" })], 50);
  assert.ok(
    lines.every((line) => line.length <= 50),
    lines.join("\n"),
  );
  assert.equal(lines[1], `${"a".repeat(19)}…  ${"    1B"}  ${"b".repeat(19)}…`);
});

test("times and numbers are cut last", () => {
  const rows = ["05", "06"].map((minute) => ({
    host: "web1",
    at: `2026-01-31T12:${minute}:00.000Z`,
    size: 1_000_000,
    text: "b".repeat(40),
  }));
  assert.deepEqual(shown(rows, 40), [
    "at                    size  text",
    `2026-01-31 12:05Z  1000000  ${"b".repeat(11)}…`,
    `2026-01-31 12:06Z  1000000  ${"b".repeat(11)}…`,
  ]);
  const [, narrowest] = shown(rows, 26);
  assert.equal(narrowest, "2026-01…  1000000  bbbbbbb…");
});

test("a single row that is too wide has a line for each column, lists and times are short, and there is no control character", () => {
  assert.deepEqual(
    shown(
      [
        {
          host: "web1",
          since: "2026-01-31T12:00:05.000Z",
          groups: ["a", "b"],
          text: "x\u001b[31my\nz",
          none: null,
        },
      ],
      30,
    ),
    ["host    web1", "since   2026-01-31 12:00Z", "groups  a b", "text    xy z", "none    "],
  );
});

test("more than a hundred rows are counted", () => {
  const lines = shown(Array.from({ length: 103 }, (_, index) => web(`unit${index}`, 1)));
  assert.equal(lines.length, 102);
  assert.equal(lines.at(-1), "… and 3 more rows: keep them with const rows = await …");
});
