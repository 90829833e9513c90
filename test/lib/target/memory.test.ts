import assert from "node:assert/strict";
import { test } from "node:test";
import { carriedValue } from "../../../lib/model/carried";
import { forgetLearnt, HELD_SINCE, InnerMemory, TEMPORARIES } from "../../../lib/target/memory";

test("what was learnt is forgotten, everywhere; what the deployment needs to know stays", () => {
  carriedValue("memory.test");
  const around = new Map<string, unknown>([
    ["apt/packages", 1],
    ["deployment.onChange/x", 2],
    [HELD_SINCE, 3],
    [TEMPORARIES, 4],
    ["memory.test", 5],
  ]);
  const inner = new InnerMemory(around, { "memory.test": 6, "target/identity": 7 });
  forgetLearnt(new InnerMemory(inner, { own: 8 }));
  assert.deepEqual([...around.keys()], ["deployment.onChange/x", HELD_SINCE, TEMPORARIES, "memory.test"]);
  assert.deepEqual([inner.get("memory.test"), inner.has("target/identity")], [6, false]);
});
