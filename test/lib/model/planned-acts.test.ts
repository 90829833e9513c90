import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlannedAct } from "../../../lib/model/planned-acts";

const by = { step: 1, certain: true };
const node = { type: "file", mode: 0o644, uid: 0, gid: 0, content: Buffer.from("x") };
const result = { exit: 0, stdout: "", stderr: "" };

test("what a plan says that it would do", () => {
  for (const act of [
    { ...by, kind: "file", place: "/a" },
    { ...by, kind: "file", place: "/a", node },
    { ...by, kind: "file", place: "/a", node: { ...node, content: undefined, source: "/b" } },
    { ...by, kind: "unknown" },
    { ...by, kind: "unknown", parts: { paths: ["/a"], units: true, packages: true } },
    { step: -3, certain: false, kind: "answer", command: "a", result, about: { units: ["a.service"] } },
  ])
    assert.equal(isPlannedAct(act), true, JSON.stringify(act));
});

test("what is none: a host may lie", () => {
  for (const act of [
    undefined,
    [],
    { kind: "unknown", step: 1 },
    { ...by, kind: "other" },
    { ...by, kind: "unknown", step: 0.5 },
    { ...by, kind: "file", place: "a" },
    { ...by, kind: "file", place: "/a", node: { ...node, mode: "644" } },
    { ...by, kind: "file", place: "/a", node: { ...node, content: "x" } },
    { ...by, kind: "file", place: "/a", node: { ...node, source: 1 } },
    { ...by, kind: "unknown", parts: { paths: "/a" } },
    { ...by, kind: "unknown", parts: { units: "a.service" } },
    { ...by, kind: "unknown", parts: { packages: 1 } },
    { ...by, kind: "answer", command: "a", result },
    { ...by, kind: "answer", command: "a", result: { ...result, exit: "0" }, about: {} },
  ])
    assert.equal(isPlannedAct(act), false, JSON.stringify(act));
});
