import assert from "node:assert/strict";
import { test } from "node:test";
import { accuracy } from "./_accuracy";

test("the table of what plans said, and what was not decided or wrong", () => {
  const step = (property: string, answer: string | undefined, actual: string, more: object = {}) => ({
    property,
    desc: "it",
    ...(answer !== undefined && { answer }),
    actual,
    wrong: false,
    ...more,
  });
  assert.equal(
    accuracy([
      step("user.hasAccount", "would change", "changed"),
      step("file.hasContent", "holds", "unchanged"),
      step("file.hasContent", "holds", "changed", { wrong: true }),
      step("apt.updated", "unknown", "changed", { reason: "it fetches lists" }),
      step("apt.updated", "unknown", "changed", { reason: "it fetches lists" }),
      step("seqprops", undefined, "skipped"),
    ]),
    `| properties | steps | decided | right | wrong |
| --- | ---: | ---: | ---: | ---: |
| apt | 2 | 0 | 0 | 0 |
| file | 2 | 2 | 1 | 1 |
| user | 1 | 1 | 1 | 0 |
| all | 5 | 3 | 2 | 1 |

60.0 % decided; the goal is 95 %.

Not decided:

- apt.updated (unknown: it fetches lists), 2 times

Wrong:

- file.hasContent (planned "holds", was "changed")`,
  );
});
