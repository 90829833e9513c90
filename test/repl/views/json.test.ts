import assert from "node:assert/strict";
import test from "node:test";
import { cleanDeployEvent } from "../../../lib/model/host-events";
import { jsonView } from "../../../repl/views/json";
import { mixed, verbose } from "./_recorded";

test("prints one event per line, with the version of the format", () => {
  const lines: string[] = [];
  const view = jsonView({ write: (line) => lines.push(line) });
  const events = [...mixed(), ...verbose()];
  for (const event of events) view.add(event);
  view.settle();
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    events.map((event) => ({ v: 1, ...cleanDeployEvent(event) })),
  );
  assert.ok(
    lines.every((line) => !line.includes("\\u001b")),
    "without control characters",
  );
  assert.ok(lines.every((line) => line.endsWith("}\n")));
});
