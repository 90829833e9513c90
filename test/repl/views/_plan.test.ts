import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { DeployEvent } from "../../../lib/model/events";
import type { PlanAnswer } from "../../../lib/model/plan";
import { finalText } from "../../../repl/views/_text";
import { Trees } from "../../../repl/views/_tree";
import { linesView } from "../../../repl/views/lines";
import { of } from "./_recorded";

const columns = process.stdout.columns;
beforeEach(() => {
  process.stdout.columns = 80;
});
afterEach(() => {
  process.stdout.columns = columns;
});

/** The events of one planned step. */
const step = (
  number: number,
  desc: string,
  status: "changed" | "unchanged" | "failed",
  plan: PlanAnswer,
  ...changes: (DeployEvent & { kind: "step-changed" })["change"][]
): Parameters<typeof of>[1][] => [
  { kind: "step-started", step: number, property: "test.step", desc, site: "hosts/web.ts:1:1" },
  ...changes.map((change) => ({ kind: "step-changed", step: number, change }) as const),
  {
    kind: "step-ended",
    step: number,
    status,
    ms: 3,
    plan,
    ...(status === "failed" &&
      plan.answer === "would fail" && {
        failure: { name: "FailedChange", message: "there is no group web", stack: "" },
      }),
  },
];

const motd = {
  kind: "file",
  change: "modified",
  path: "/etc/motd",
  type: "file",
  content: { form: "diff", diff: "@@ -1 +1 @@\n-old\r\n+new\n", added: 1, removed: 1 },
} as const;

const planOf = (
  host: string,
  status: "changed" | "unchanged" | "failed",
  ...steps: Parameters<typeof of>[1][]
) =>
  of(
    host,
    {
      kind: "deployment-started",
      at: "2026-01-01T00:00:00.000Z",
      hops: ["via.local()"],
      steps: 5,
      plan: true,
    },
    ...steps,
    { kind: "deployment-ended", status, ms: 12 },
  );

/** Each of the five answers. */
const every = (host: string) =>
  planOf(
    host,
    "failed",
    ...step(1, "motd", "changed", { answer: "would change" }, motd),
    ...step(2, "nginx runs", "unchanged", { answer: "holds" }),
    ...step(
      3,
      "imported",
      "changed",
      { answer: "would change", open: true },
      {
        kind: "command",
        command: "shop-import /srv/dump",
      },
    ),
    ...step(4, "the shop", "unchanged", { answer: "depends", dependsOn: [3] }),
    ...step(5, "its files", "failed", {
      answer: "depends",
      dependsOn: [1, 3, 4],
      reason: "as the host is now, it would fail: there is no group shop",
    }),
    ...step(6, "group web", "failed", { answer: "would fail" }),
    ...step(7, "lists", "changed", { answer: "unknown", reason: "it throws dice" }),
  );

const textOf = (...plans: DeployEvent[][]): string => {
  const trees = new Trees(() => 0);
  for (const event of plans.flat()) trees.add(event);
  return finalText(trees.hosts);
};

describe("a plan, for people", () => {
  test("the five answers", () => {
    assert.equal(
      textOf(every("web1.example.org")),
      `  + motd
    /etc/motd: +1 -1
    @@ -1 +1 @@
    -old␍
    +new
  = nginx runs
  + imported
    run shop-import /srv/dump
  ? the shop (depends on imported; as the host is now, it holds)
  ? its files
    depends on motd, and 2 more; as the host is now, it would fail: there is no
    group shop
  ✗ group web
    there is no group web
    test.step, at hosts/web.ts:1:1
  ? lists (unknown: it throws dice)
✗ web1.example.org: 2 would change, 1 holds, 2 depend on others, 1 would fail, 1 unknown (planned in 12 ms)`,
    );
  });

  test("of a host on which everything holds", () => {
    const steps = Array.from({ length: 40 }, (_, index) =>
      step(index + 1, `step ${index}`, "unchanged", { answer: "holds" }),
    );
    assert.equal(
      textOf(planOf("web1", "unchanged", ...steps.flat())),
      "  = 40 steps hold\n= web1: 40 hold (planned in 12 ms)",
    );
  });

  test("of several hosts: what is the same is printed once", () => {
    const changed = (host: string) =>
      planOf(host, "changed", ...step(1, "motd", "changed", { answer: "would change" }, motd));
    const holds = planOf("web7", "unchanged", ...step(1, "motd", "unchanged", { answer: "holds" }));
    const names = Array.from({ length: 12 }, (_, index) => `web${index + 10}.example.org`);
    assert.equal(
      textOf(...names.map(changed), holds),
      `  + motd
    /etc/motd: +1 -1
    @@ -1 +1 @@
    -old␍
    +new
+ 12 hosts the same: 1 would change (planned in 12 ms)
  web10.example.org, web11.example.org, web12.example.org, web13.example.org,
  web14.example.org, web15.example.org, web16.example.org, web17.example.org,
  web18.example.org, web19.example.org, web20.example.org, web21.example.org
  = motd
= web7: 1 holds (planned in 12 ms)
13 hosts: 12 would change, 1 would stay as they are in 12 ms`,
    );
  });
});

test("a plan, line by line", () => {
  const lines: string[] = [];
  const view = linesView({ write: (line: string) => lines.push(line) } as never);
  for (const event of every("web1")) view.add(event);
  view.settle();
  assert.equal(
    lines.join(""),
    `would change web1 :: motd 3 ms
          /etc/motd: +1 -1
          @@ -1 +1 @@
          -old␍
          +new
holds        web1 :: nginx runs 3 ms
would change web1 :: imported 3 ms
          run shop-import /srv/dump
depends      web1 :: the shop (depends on imported; as the host is now, it holds) 3 ms
depends      web1 :: its files (depends on motd, and 2 more; as the host is now, it would fail: there is no group shop) 3 ms
would fail   web1 :: group web 3 ms
          there is no group web
          test.step, at hosts/web.ts:1:1
unknown      web1 :: lists (unknown: it throws dice) 3 ms
would fail   web1: 2 would change, 1 holds, 2 depend on others, 1 would fail, 1 unknown (planned in 12 ms)
`,
  );
});
