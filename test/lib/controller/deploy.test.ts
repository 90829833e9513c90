import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { local } from "../../../lib/connection/local";
import { shellWrap } from "../../../lib/connection/shellWrap";
import { deploy, deployThese } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { InvalidArguments } from "../../../lib/model/errors";
import type { DeployEvent } from "../../../lib/model/events";
import { defhost } from "../../../lib/model/host";
import { defprop, type PropApp } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { outline } from "../../support/outline";
import * as toy from "../../support/toy";
import { host, nowhere, refuses } from "./_hosts";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "deploy-"));
});
beforeEach(() => void toy.takeDone());
after(async () => {
  await session.close();
  rmSync(dir, { recursive: true, force: true });
});

/** `file` has `content`. */
const contains = defprop({
  name: "test.contains",
  kind: "posix",
  args: object({ file: string(), content: string() }),
  call: (file: string, content: string) => ({ file, content }),
  desc: ({ file }) => path.basename(file),
  apply: ({ file, content }, target) => target.ensureContent(file, content),
});

describe("deploy(host)", () => {
  test("makes the machine match and reports the changes; the second time there are none", async () => {
    const file = path.join(dir, "motd");
    const web1 = host(contains(file, "hello\n"), toy.rests("rest"));
    const first = await deploy(web1);
    assert.equal(readFileSync(file, "utf8"), "hello\n");
    assert.deepEqual(outline(first.steps), ["changed motd", "unchanged rest"]);
    assert.deepEqual(
      [first.host, first.ok, first.status, first.failure],
      ["web1.example.org", true, "changed", undefined],
    );
    assert.deepEqual(outline(first.changed), ["changed motd"]);
    assert.deepEqual([first.failed, first.skipped], [[], []]);

    const second = await deploy(web1);
    assert.equal(second.status, "unchanged");
    assert.deepEqual(second.changed, []);
    assert.notEqual(second.deployment, first.deployment);
  });

  test("reports each step: its site, its duration, its output", async () => {
    const runs = toy.runs("echo a; sleep 0.05; echo b");
    const { steps, ms } = await deploy(host(runs));
    const [step] = steps;
    assert.equal(step?.site, runs.site);
    assert.equal(step?.property, "toy.runs");
    assert.equal(step?.output, "a\nb\n");
    assert.ok(step && step.ms > 48 && step.ms <= ms + 1, `${step?.ms} of ${ms}`);
  });

  test("a failed property fails the deployment, but the next is applied", async () => {
    const report = await deploy(host(toy.runs("echo so; exit 3"), toy.aborts("a"), toy.changes("b")));
    assert.equal(report.ok, false);
    assert.equal(report.status, "failed");
    assert.deepEqual(outline(report.failed), [
      "failed echo so; exit 3: RunFailed: `echo so; exit 3` ended with exit code 3: so",
      "failed a: AbortedChange: a cannot begin",
    ]);
    assert.equal(report.failed[0]?.failure?.command?.stdout, "so\n");
    assert.deepEqual(toy.takeDone(), ["b"]);
  });

  test("a failure that changed nothing is a failure", async () => {
    const report = await deploy(host(toy.aborts("a")));
    assert.deepEqual([report.ok, report.status, report.changed.length], [false, "failed", 0]);
  });

  test("a failure at the end fails the deployment", async () => {
    const report = await deploy(host(toy.atEnd("failing a")));
    assert.deepEqual([report.ok, report.status], [false, "failed"]);
    assert.deepEqual(outline(report.failed), ["failed at the end: FailedChange: failing a went wrong"]);
  });

  test("further applications come after those of the host, in a strict sequence; failures of the host's do not stop them", async () => {
    const web1 = host(toy.fails("a"), toy.changes("b"));
    const report = await deploy(web1, toy.changes("c"), undefined, toy.aborts("d"), false, toy.changes("e"));
    assert.deepEqual(outline(report.steps), [
      "failed a: FailedChange: a went wrong",
      "changed b",
      "changed c",
      "failed d: AbortedChange: d cannot begin",
      "skipped e (toy.aborts failed)",
    ]);
  });

  test("given hops replace the host's own", async () => {
    const web1 = defhost("far.example.org", { deploy: [nowhere()] }, toy.changes("a"));
    assert.equal((await deploy(web1)).status, "failed");
    assert.equal((await deploy(web1, local())).status, "changed");
    assert.equal((await deploy(web1, [local()], toy.changes("b"))).status, "changed");
  });

  test("uses the current definitions of properties, also for a host defined before", async () => {
    const define = (status: "changed" | "unchanged") =>
      defprop({ name: "test.redefined", kind: "posix", args: object({}), apply: async () => status });
    const web1 = host(define("unchanged")({}));
    assert.equal((await deploy(web1)).status, "unchanged");
    define("changed");
    assert.equal((await deploy(web1)).status, "changed");
  });
});

describe("the events of a deployment", () => {
  test("report everything in order, each with its host and deployment", async () => {
    const fresh = defhost("fresh.example.org", { deploy: [local()] }, toy.runs("echo a"), toy.aborts("b"));
    const deployment = deploy(fresh);
    const events: DeployEvent[] = [];
    deployment.subscribe((event) => events.push(event));
    const report = await deployment;
    assert.deepEqual(events.map(brief), [
      "deployment-started via.local() 2",
      "hop-opening via.local()",
      "hop-opened via.local() reused false",
      "step-started 1 echo a",
      "step-output 1 a\n",
      "step-changed",
      "step-ended 1 changed",
      "step-started 2 b",
      "step-ended 2 failed",
      "deployment-ended failed",
    ]);
    for (const event of events) {
      assert.equal(event.host, "fresh.example.org");
      assert.equal(event.deployment, report.deployment);
    }
  });

  test("reach late subscribers too, and none that unsubscribed", async () => {
    const deployment = deploy(host(toy.changes("a")));
    const early: string[] = [];
    const left: string[] = [];
    deployment.subscribe((event) => early.push(event.kind));
    deployment.subscribe((event) => left.push(event.kind))();
    await deployment;
    const late: string[] = [];
    deployment.subscribe((event) => late.push(event.kind));
    assert.deepEqual(late, early);
    assert.ok(early.includes("deployment-ended"));
    assert.deepEqual(left, []);
  });

  test("the session knows the running deployments", async () => {
    const heard: unknown[] = [];
    const unsubscribe = session.onDeployment((each) => heard.push(each));
    const deployment = deploy(host(toy.changes("a")));
    assert.deepEqual([...session.deployments], [deployment]);
    assert.equal(deployment.over, false);
    await deployment;
    assert.equal(deployment.over, true);
    assert.equal(session.deployments.size, 0);
    unsubscribe();
    await deploy(host(toy.changes("a")));
    assert.deepEqual(heard, [deployment]);
  });
});

describe("several hosts", () => {
  const fleet = (...applications: PropApp[]) =>
    applications.map((application, index) =>
      defhost(`n${index}.example.org`, { deploy: [local()] }, application),
    );

  test("are deployed in parallel", async () => {
    const signal = path.join(dir, "signal");
    // Each with a lock of its own, as different machines have.
    const hosts = [
      toy.runs(`while [ ! -e ${signal} ]; do sleep 0.02; done`),
      toy.runs(`touch ${signal}`),
    ].map((application, index) => {
      const lock = path.join(dir, `n${index}`);
      mkdirSync(lock);
      const hops = [local(), shellWrap("env", `CONSFIGURATOR_LOCK=${lock}`)];
      return defhost(`n${index}.example.org`, { deploy: hops }, application);
    });
    const report = await deploy(hosts);
    assert.equal(report.ok, true);
    assert.deepEqual(
      report.reports.map(({ host: name }) => name),
      ["n0.example.org", "n1.example.org"],
    );
  });

  test("do not hold each other up, when one is refused, unreachable, or fails", async () => {
    const hosts = [
      ...fleet(refuses(), toy.changes("a"), toy.fails("b"), toy.rests("c")),
      defhost("far.example.org", { deploy: [nowhere()] }, toy.changes("d")),
    ];
    const report = await deploy(hosts);
    assert.deepEqual(
      report.reports.map(({ host: name, status, ok }) => `${name} ${status} ${ok}`),
      [
        "n0.example.org refused false",
        "n1.example.org changed true",
        "n2.example.org failed false",
        "n3.example.org unchanged true",
        "far.example.org failed false",
      ],
    );
    assert.equal(report.ok, false);
    assert.deepEqual(
      report.changed.map(({ host: name }) => name),
      ["n1.example.org"],
    );
    assert.deepEqual(
      report.failed.map(({ host: name }) => name),
      ["n0.example.org", "n2.example.org", "far.example.org"],
    );
    assert.deepEqual(toy.takeDone().sort(), ["a", "b"]);
  });

  test("an empty list of hosts is ok", async () => {
    const { ok, reports } = await deploy([]);
    assert.deepEqual([ok, reports], [true, []]);
  });
});

describe("invalid arguments are refused at their line", () => {
  const cases: [name: string, start: () => unknown, message: string][] = [
    [
      "a property that was not called",
      () => deploy(host(), toy.changes as never),
      "deploy: toy.changes was not called; write toy.changes(…)",
    ],
    [
      "a hop that was not called",
      () => deployThese("web1.example.org", local as never),
      "deploy: via.local was not called; write via.local(…)",
    ],
    [
      "something else",
      () => deploy(host(), 3 as never, (() => {}) as never),
      'deploy: expected a hop, such as via.ssh({ user: "root" }), or a property, such as cmd.single("true"); got 3; expected a hop, such as via.ssh({ user: "root" }), or a property, such as cmd.single("true"); got the function (anonymous)',
    ],
    [
      "not a host",
      () => deploy(undefined as never),
      "deploy: expected a host from defhost, or a list of hosts; got undefined",
    ],
  ];
  for (const [name, start, message] of cases) {
    test(name, () => assert.throws(start, new InvalidArguments(message)));
  }
});

test("reading a report's field on a deployment throws", async () => {
  const deployment = deploy(host());
  assert.throws(
    () => (deployment as unknown as { changed: unknown }).changed,
    new InvalidArguments(
      "a running deployment has no `changed`; await its report: (await deploy(…)).changed",
    ),
  );
  assert.deepEqual((await deployment).changed, []);
});

describe("deployThese", () => {
  /** Records the known facts. */
  const knows = defprop({
    name: "test.knows",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    desc: () => "knows",
    apply: async (_args, target) => {
      target.inform(`${target.host.all(toy.fact).join(" ")}\n`);
      return "unchanged";
    },
  });

  test("applies only the given properties", async () => {
    const report = await deployThese(host(toy.changes("a")), toy.changes("b"));
    assert.deepEqual(outline(report.steps), ["changed b"]);
  });

  test("in a strict sequence", async () => {
    const report = await deployThese(host(), toy.fails("a"), toy.changes("b"));
    assert.deepEqual(outline(report.steps), [
      "failed a: FailedChange: a went wrong",
      "skipped b (toy.fails failed)",
    ]);
  });

  test("with the facts of the host's own properties, and newer ones of those given", async () => {
    const report = await deployThese(host(toy.states("old"), toy.changes("a")), toy.states("new"), knows());
    assert.equal(report.steps.at(-1)?.output, "new old\n");
    assert.deepEqual(toy.takeDone(), []);
  });

  test("to a name without definition", async () => {
    const report = await deployThese("203.0.113.7", local(), toy.states("blue"), knows());
    assert.deepEqual([report.host, report.ok], ["203.0.113.7", true]);
    assert.equal(report.steps.at(-1)?.output, "blue\n");
  });

  test("to several", async () => {
    const report = await deployThese([host(), "203.0.113.7"], local(), toy.rests("a"));
    assert.deepEqual(
      report.reports.map(({ host: name, status }) => `${name} ${status}`),
      ["web1.example.org unchanged", "203.0.113.7 unchanged"],
    );
  });
});

/** An event in a few words. */
function brief(event: DeployEvent): string {
  switch (event.kind) {
    case "deployment-started":
      return `${event.kind} ${event.hops.join(" ")} ${event.steps}`;
    case "hop-opening":
      return `${event.kind} ${event.hop}`;
    case "hop-opened":
      return `${event.kind} ${event.hop} reused ${event.reused}`;
    case "step-started":
      return `${event.kind} ${event.step} ${event.desc}`;
    case "step-output":
      return `${event.kind} ${event.step} ${event.text}`;
    case "step-ended":
      return `${event.kind} ${event.step} ${event.status}`;
    case "deployment-ended":
      return `${event.kind} ${event.status}`;
    default:
      return event.kind;
  }
}
