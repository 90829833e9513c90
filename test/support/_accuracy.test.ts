import assert from "node:assert/strict";
import { test } from "node:test";
import { accuracy, withAccuracy } from "./_accuracy";

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
      step("file.hasMode", "holds", "unchanged", { consfig: "hosts/web.ts" }),
      step("file.hasMode", "depends", "changed", { consfig: "hosts/web.ts", reason: "on cmd.single" }),
    ]),
    `| properties   | steps | decided | right | wrong |
| ------------ | ----: | ------: | ----: | ----: |
| apt          |     2 |       0 |     0 |     0 |
| file         |     2 |       2 |     1 |     1 |
| hosts/web.ts |     2 |       1 |     1 |     0 |
| user         |     1 |       1 |     1 |     0 |
| all          |     7 |       4 |     3 |     1 |

57.1 % decided; the goal is 95 %.

Not decided:

- apt.updated (unknown: it fetches lists), 2 times
- file.hasMode (depends on cmd.single)

Wrong:

- file.hasContent (planned "holds", was "changed")`,
  );
});

test("the table is written between the markers of a page", () => {
  assert.equal(
    withAccuracy("before\n<!-- accuracy -->\nold\n<!-- /accuracy -->\nafter\n", "new $1"),
    "before\n<!-- accuracy -->\n\nnew $1\n\n<!-- /accuracy -->\nafter\n",
  );
});
