import assert from "node:assert/strict";
import test from "node:test";
import { jsonView } from "../../../repl/views/json";
import { mixed } from "./_recorded";

test("every event is a line, with the version of the format", () => {
  const lines: string[] = [];
  const view = jsonView({ write: (line) => lines.push(line) });
  for (const event of mixed()) view.add(event);
  view.settle();
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    mixed().map((event) => ({ v: 1, ...event })),
  );
  assert.ok(lines.every((line) => line.endsWith("}\n")));
});
