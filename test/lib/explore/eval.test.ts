import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { session } from "../../../lib/controller/session";
import { on } from "../../../lib/explore/on";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const name = "web1.example.org";

const checks = `import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { doubled } from "../lib/numbers";

let calls = 0;

/** Which host it is, and how often this process has been asked. */
export async function whereabouts(number: number, path: string) {
  calls += 1;
  return { host: hostname(), lines: readFileSync(path, "utf8").trim().split("\\n"), doubled: doubled(number), calls };
}

export const nothing = () => undefined;

export const unsafe = () => "a\\u001b[31m\\u202eb";

export const unsendable = () => ({ when: new Date(0), inner: [() => 1] });

export function broken(): number {
  const values: number[] = [];
  return (values[0] as unknown as { length: { of: number } }).length.of;
}
`;

type Checks = {
  whereabouts(
    number: number,
    path: string,
  ): Promise<{ host: string; doubled: number; lines: string[]; calls: number }>;
  nothing(): undefined;
  unsafe(): string;
  unsendable(): object;
  broken(): number;
};

describe("a function on a host", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  let own: Checks;
  before(async () => {
    rigged = await rig();
    rigged.write({
      "lib/numbers.ts": "export const doubled = (number: number): number => 2 * number;\n",
      "properties/checks.ts": checks,
    });
    const { error } = session.consfig?.refresh() ?? {};
    if (error) throw error;
    own = session.consfig?.scope()["checks"] as Checks;
    await rigged.machine.run("printf 'one\\ntwo\\n' >/root/lines");
    assertOk(await rigged.deploy([prop("cmd.single", "true")]));
    await rigged.arrived();
  });
  after(() => rigged?.stop());

  const there = () => on(name, rigged.ssh(), via.agent());

  test("has its imports, and its value comes back, from a fresh process each time", async () => {
    for (const _ of [1, 2]) {
      const rows = await there().eval(own.whereabouts, 21, "/root/lines");
      assert.deepEqual(
        [[...rows], rows.errors],
        [[{ host: name, value: { host: "web1", lines: ["one", "two"], doubled: 42, calls: 1 } }], []],
      );
      assert.match(inspect(rows), /\{"host":"web1","lines":\["one","two"\],"doubled":42,"calls":1\}/);
    }
    const [deployed] = await there().deployments();
    assert.deepEqual([deployed?.status, deployed?.steps], ["changed", 1]);
  });

  test("may return nothing, and what is unsafe to print is made visible", async () => {
    assert.deepEqual([...(await there().eval(own.nothing))], [{ host: name, value: undefined }]);
    assert.deepEqual([...(await there().eval(own.unsafe))], [{ host: name, value: "a␛[31m<U+202E>b" }]);
  });

  test("says what cannot be sent back, and on which line it threw", async () => {
    const unsendable = await there().eval(own.unsendable);
    assert.deepEqual(
      [[...unsendable], unsendable.errors],
      [
        [],
        [
          {
            host: name,
            message:
              "the value of unsendable cannot be sent back: it.when is a Date, it.inner[0] is a function; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
          },
        ],
      ],
    );
    const { errors } = await there().eval(own.broken);
    assert.deepEqual(errors, [
      {
        host: name,
        message:
          "TypeError: Cannot read properties of undefined (reading 'length') (properties/checks.ts:21:63)",
      },
    ]);
  });

  test("is refused over a bare shell", async () => {
    const rows = await on(name, rigged.ssh()).eval(own.nothing);
    assert.deepEqual(
      [[...rows], rows.errors],
      [
        [],
        [
          {
            host: name,
            message: `${name} has no agent, so it cannot evaluate a function; add via.agent() to its hops`,
          },
        ],
      ],
    );
  });

  test("is refused where no file exports it, or an argument cannot be sent", () => {
    const secret = 5;
    const local = () => secret;
    assert.throws(() => there().eval(local), {
      name: "InvalidArguments",
      message:
        "eval: local is neither exported by a file of the consfig nor typed at the prompt or in a playbook; export it from a file, such as properties/checks.ts",
    });
    assert.throws(() => there().eval(own.whereabouts, new Map() as never, "/"), {
      message:
        "eval: an argument is a Map; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
    });
    assert.throws(() => there().eval("uptime" as never), {
      message: "eval: expected a function; got string",
    });
  });
});
