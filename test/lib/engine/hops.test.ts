/** Deployments nested in one over a shell: hops are opened from its target, and closed again. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { eseqprops, eseqpropsUntil, onChange, seqprops } from "../../../lib/combinators";
import { local } from "../../../lib/connection/local";
import { rehome } from "../../../lib/connection/rehome";
import { deployThese } from "../../../lib/controller/deploy";
import type { Deployment } from "../../../lib/controller/deployment";
import { session } from "../../../lib/controller/session";
import { ConnectionFailed } from "../../../lib/model/errors";
import { defhop } from "../../../lib/model/hop";
import type { PropApp } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import { object, string } from "../../../lib/model/schema";
import { as, deploysThese, reconnects } from "../../../lib/nested/deploys";
import { outline } from "../../support/outline";
import * as toy from "../../support/toy";

let home: string;
before(() => {
  home = mkdtempSync(path.join(tmpdir(), "chain-"));
});
after(async () => {
  await session.close();
  rmSync(home, { recursive: true, force: true });
});
const opened: string[] = [];
beforeEach(() => {
  toy.takeDone();
  opened.length = 0;
});

/** Stays on the same machine, and records when it is opened and closed. */
const gate = defhop({
  name: "test.gate",
  args: object({ name: string() }),
  call: (name: string) => ({ name }),
  open: async ({ name }, { parent, host }) => {
    opened.push(`${name} opens for ${host.name}`);
    return {
      ...parent,
      exec: (command) => parent.exec(command),
      close: async () => void opened.push(`${name} closes`),
    };
  },
});
const wall = defhop({
  name: "test.wall",
  args: object({}),
  open: async () => {
    throw new ConnectionFailed("via.test.wall()", "there is a wall");
  },
});

const deploy = (...applications: PropApp[]): Deployment<Report> =>
  deployThese("a.example.org", local(), ...applications);

describe("hops of a deployment nested in another", () => {
  test("are opened in order when they are needed, and closed innermost first, also after a failure", async () => {
    const report = await deploy(
      seqprops(
        toy.changes("before"),
        reconnects(
          [gate("one"), gate("two")],
          toy.changes("inside"),
          toy.fails("broken"),
          toy.changes("never"),
        ),
        deploysThese("b.example.org", gate("three"), toy.changes("there")),
      ),
    );
    assert.deepEqual(opened, [
      "one opens for a.example.org",
      "two opens for a.example.org",
      "two closes",
      "one closes",
      "three opens for b.example.org",
      "three closes",
    ]);
    assert.deepEqual(outline(report.steps), [
      "changed before",
      "failed through via.test.gate('one'), via.test.gate('two') (a step inside it failed)",
      "  changed inside",
      "  failed broken: FailedChange: broken went wrong",
      "  skipped never (toy.fails failed)",
      "changed deploys to b.example.org",
      "  changed there",
    ]);
  });

  test("are reported in a verbose deployment, as is each command behind them, with its step", async (t) => {
    session.verbose = true;
    t.after(() => {
      session.verbose = false;
    });
    const deployment = deploy(
      toy.runs("echo before"),
      reconnects([gate("one"), gate("two")], toy.runs("echo inside"), toy.rests("b")),
    );
    session.verbose = false;
    const reported: string[] = [];
    deployment.subscribe((event) => {
      if (event.kind === "deployment-started") reported.push(`verbose ${event.verbose}`);
      if (event.kind === "hop-opening" || event.kind === "hop-opened")
        reported.push(`${event.kind} ${event.hop}`);
      if (event.kind === "command-ran") reported.push(`${event.step} ran ${event.command}: ${event.exit}`);
    });
    const { steps, commands = [] } = await deployment;
    assert.deepEqual(reported, [
      "verbose true",
      "hop-opened via.local()",
      "1 ran echo before: 0",
      "hop-opening via.test.gate('one')",
      "hop-opened via.test.gate('one')",
      "hop-opening via.test.gate('two')",
      "hop-opened via.test.gate('two')",
      "3 ran echo inside: 0",
    ]);
    assert.deepEqual(
      steps.map((step) => [step.desc, (step.commands ?? []).map(({ command }) => command)]),
      [
        ["echo before", ["echo before"]],
        ["through via.test.gate('one'), via.test.gate('two')", []],
        ["echo inside", ["echo inside"]],
        ["b", []],
      ],
    );
    assert.equal(commands.length, 2);
  });

  test("one that fails to open aborts its step; those before it are closed", async () => {
    const report = await deploy(
      seqprops(reconnects([gate("one"), wall()], toy.changes("never")), toy.changes("after")),
    );
    assert.deepEqual(outline(report.steps), [
      "failed through via.test.gate('one'), via.test.wall(): AbortedChange: via.test.wall(): there is a wall",
      "changed after",
    ]);
    assert.deepEqual(opened, ["one opens for a.example.org", "one closes"]);
    assert.deepEqual(toy.takeDone(), ["after"]);
  });
});

describe("the outcome of a nested deployment", () => {
  test("is the outcome of its step", async () => {
    const report = await deploy(
      onChange(reconnects(gate("one"), toy.rests("holds")), toy.changes("no reason")),
      onChange(reconnects(gate("one"), toy.changes("inside")), toy.changes("reason")),
    );
    assert.equal(report.status, "changed");
    assert.deepEqual(toy.takeDone(), ["inside", "reason"]);
  });

  test("a failure in it stops a strict sequence, and does not count as unchanged", async () => {
    const report = await deploy(
      eseqprops(reconnects(gate("one"), reconnects(gate("two"), toy.aborts("a"))), toy.changes("never")),
    );
    assert.equal(report.status, "failed");
    assert.deepEqual(outline(report.steps), [
      "failed through via.test.gate('one') (a step inside it failed)",
      "  failed through via.test.gate('two') (a step inside it failed)",
      "    failed a: AbortedChange: a cannot begin",
      "skipped never (reconnects failed)",
    ]);
    assert.deepEqual(
      report.failed.map(({ desc }) => desc),
      ["a"],
    );
  });

  test("one that tolerates failures has not failed, and the report lists them", async () => {
    const report = await deploy(
      reconnects(gate("one"), seqprops(toy.fails("a"), toy.changes("b"))),
      toy.changes("c"),
    );
    assert.equal(report.ok, false);
    assert.deepEqual(outline(report.steps), [
      "changed through via.test.gate('one')",
      "  failed a: FailedChange: a went wrong",
      "  changed b",
      "changed c",
    ]);
  });

  test("an error expected around it ends it, is not a failure, and goes no further", async () => {
    const inside = seqprops(toy.aborts("a"), toy.changes("never"));
    const report = await deploy(
      eseqpropsUntil(
        "AbortedChange",
        reconnects(gate("one"), reconnects(gate("two"), inside)),
        toy.rests("b"),
      ),
      toy.changes("c"),
    );
    assert.equal(report.status, "changed");
    assert.equal(report.ok, true);
    assert.deepEqual(outline(report.steps), [
      "skipped through via.test.gate('one') (a step inside it was skipped)",
      "  skipped through via.test.gate('two') (a step inside it was skipped)",
      "    skipped a (AbortedChange: a cannot begin)",
      "    skipped never (toy.aborts: AbortedChange: a cannot begin)",
      "skipped b (reconnects: AbortedChange: a cannot begin)",
      "changed c",
    ]);
  });

  test("changes before an expected error count", async () => {
    const inside = [toy.changes("a"), toy.aborts("b")];
    const report = await deploy(
      onChange(eseqpropsUntil("FailedChange", reconnects(gate("one"), ...inside)), toy.changes("reason")),
      onChange(eseqpropsUntil("FailedChange", reconnects(gate("one"), toy.aborts("c"))), toy.changes("none")),
    );
    assert.equal(report.status, "changed");
    assert.deepEqual(toy.takeDone(), ["a", "reason"]);
  });

  test("an unexpected error is still a failure", async () => {
    const report = await deploy(eseqpropsUntil("MissingData", reconnects(gate("one"), toy.aborts("a"))));
    assert.equal(report.status, "failed");
  });

  test("work registered for the end runs at its own end", async () => {
    await deploy(
      toy.atEnd("outer"),
      reconnects(gate("one"), toy.atEnd("inner"), toy.rests("x")),
      toy.changes("last"),
    );
    assert.deepEqual(toy.takeDone(), ["inner, after unchanged", "last", "outer, after changed"]);
  });
});

describe("stopping", () => {
  for (const signal of ["stop", "cancel"] as const)
    test(`${signal}: no further step is started, at any depth`, async () => {
      const deployment = deploy(
        reconnects(
          gate("one"),
          reconnects(gate("two"), toy.runs("echo begun; sleep 1"), toy.changes("never")),
        ),
        reconnects(gate("three"), toy.changes("never")),
      );
      deployment.subscribe((event) => {
        if (event.kind === "step-output" && event.text.includes("begun")) deployment[signal]();
      });
      const report = await deployment;
      assert.equal(report.status, "cancelled");
      assert.deepEqual(toy.takeDone(), []);
      assert.equal(
        report.steps.find(({ property }) => property === "toy.runs")?.status,
        signal === "stop" ? "changed" : "failed",
      );
      assert.equal(opened.includes("three opens for a.example.org"), false);
    });
});

describe("over a shell", () => {
  test("another home directory", async () => {
    const report = await deploy(reconnects(rehome(home), toy.runs("pwd; echo $HOME")));
    assert.equal(report.steps.at(-1)?.output, `${home}\n${home}\n`);
  });

  test("as another user", { skip: process.getuid?.() !== 0 && "it takes root" }, async () => {
    const report = await deploy(
      seqprops(as("nobody", toy.runs("id -un; pwd")), as("no-such-user", toy.changes("never"))),
    );
    assert.deepEqual(
      report.steps.map(({ desc, output, failure }) => [desc, output, failure?.message]),
      [
        ["as nobody", "", undefined],
        ["id -un; pwd", "nobody\n/\n", undefined],
        [
          "as no-such-user",
          "",
          "via.as('no-such-user'): there is no user no-such-user on the host; user.hasAccount(\"no-such-user\") creates it",
        ],
      ],
    );
  });
});
