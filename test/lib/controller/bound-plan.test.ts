import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../../lib/combinators";
import { type BoundOptions, deploy, deployPlans, plan } from "../../../lib/controller/deploy";
import { readPlan, writePlan } from "../../../lib/controller/plan-file";
import { session } from "../../../lib/controller/session";
import type { DeployEvent } from "../../../lib/model/events";
import { defhost } from "../../../lib/model/host";
import type { FleetReport, Report } from "../../../lib/model/report";
import * as via from "../../../lib/via";
import * as cmd from "../../../properties/cmd";
import * as file from "../../../properties/file";
import { needsMachines } from "../../support/machines";
import { outline } from "../../support/outline";
import { changedPaths, snapshot } from "../../support/snapshot";
import { until } from "../../support/until";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";
import { host } from "./_hosts";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "bound-"));
});
after(async () => {
  await session.close();
  rmSync(dir, { recursive: true, force: true });
});

const at = (name: string): string => path.join(dir, name);

/** Deploys `planned`; returns the report and the notices. */
async function deployed(
  planned: Report,
  options?: BoundOptions,
): Promise<{ report: Report; notices: string[] }> {
  const deployment = deploy(planned, options);
  const notices: string[] = [];
  deployment.subscribe((event: DeployEvent) => {
    if (event.kind === "notice") notices.push(event.text);
  });
  return { report: await deployment, notices };
}

describe("a plan that is deployed", () => {
  test("is done as it says, and the outcome is compared with it", async () => {
    const web1 = host(file.hasContent(at("a"), ["one"]), file.containsLines(at("a"), "two"));
    const planned = await plan(web1);
    assert.throws(() => readFileSync(at("a")), "planning does nothing");
    assert.deepEqual(
      planned.steps.map((step) => [step.plan?.answer, step.changes.map(({ kind }) => kind)]),
      [
        ["would change", ["file"]],
        ["would change", ["file"]],
      ],
    );
    const { report, notices } = await deployed(planned);
    assert.equal(report.status, "changed");
    assert.equal(readFileSync(at("a"), "utf8"), "one\ntwo\n");
    assert.deepEqual(notices, ["as planned: 2 of 2 steps"]);
  });

  test("stops before a step whose file was edited since, and starts none after it", async () => {
    writeFileSync(at("b"), "one\n");
    const web1 = host(
      eseqprops(
        file.hasContent(at("first"), ["x"]),
        file.containsLines(at("b"), "two"),
        file.hasContent(at("last"), ["x"]),
      ),
    );
    const planned = await plan(web1);
    writeFileSync(at("b"), "edited\n");
    const before = statSync(at("b"));
    const { report, notices } = await deployed(planned);
    assert.deepEqual(outline(report.steps), [
      `changed content of ${at("first")}`,
      `failed ${at("b")} contains two: NotAsPlanned: file.containsLines is not as planned: its changes are not the planned ones any more (${at("b")} modified); nothing was done here: make a new plan, and deploy that`,
      `skipped content of ${at("last")} (file.containsLines is not as planned)`,
    ]);
    assert.deepEqual(
      [statSync(at("b")).ctimeMs, readFileSync(at("b"), "utf8")],
      [before.ctimeMs, "edited\n"],
    );
    assert.deepEqual(notices, [
      [
        "as planned: 1 of 3 steps",
        `  ${at("b")} contains two: planned: would change; it failed`,
        `  content of ${at("last")}: planned: would change; it did not run`,
      ].join("\n"),
    ]);
  });

  test("notices an edit of a secret of the same size, of which it shows nothing", async () => {
    writeFileSync(at("secret"), "aaaa\n");
    chmodSync(at("secret"), 0o600);
    const web1 = host(file.containsLines(at("secret"), "bbbb"));
    const planned = await plan(web1);
    const [change] = planned.steps[0]?.changes ?? [];
    assert.deepEqual(change?.kind === "file" && change.content, {
      form: "secret",
      size: { from: 5, to: 10 },
    });
    writeFileSync(at("secret"), "aaab\n");
    assert.equal((await deployed(planned)).report.status, "failed");
    assert.equal(readFileSync(at("secret"), "utf8"), "aaab\n");
  });

  test("stops where something holds that did not, and the other way round", async () => {
    const web1 = host(file.hasContent(at("c"), ["x"]));
    const planned = await plan(web1);
    writeFileSync(at("c"), "x\n");
    const { report } = await deployed(planned);
    assert.match(
      report.failed[0]?.failure?.message ?? "",
      /^file\.hasContent is not as planned: the plan said: it would change something; now: it holds; nothing was done/,
    );
    const holding = await plan(web1);
    rmSync(at("c"));
    assert.equal((await deployed(holding)).report.status, "failed");
    assert.throws(() => readFileSync(at("c")));
  });

  test("leaves open what it could not tell, unless it is strict", async () => {
    const uncertain = () => host(cmd.single(`echo >>${at("ran")}`), file.hasContent(at("d"), ["x"]));
    const planned = await plan(uncertain());
    assert.equal(planned.steps[1]?.plan?.answer, "depends");
    const { report } = await deployed(planned, { strict: true });
    assert.match(
      report.failed[0]?.failure?.message ?? "",
      /the plan could not tell what it would do, and is strict/,
    );
    assert.throws(() => readFileSync(at("d")));
    assert.equal((await deployed(await plan(uncertain()))).report.status, "changed");
    assert.equal(readFileSync(at("d"), "utf8"), "x\n");
  });

  test("says first that the definition has changed since, and refuses what is not in the plan", async () => {
    const name = "redefined.example.org";
    const define = (...lines: string[]) =>
      defhost(name, { deploy: [via.local()] }, ...lines.map((line) => file.containsLines(at(line), line)));
    const planned = await plan(define("one"));
    define("one", "two");
    const { report, notices } = await deployed(planned);
    assert.match(
      notices[0] ?? "",
      /^the definition of redefined\.example\.org has changed since it was planned at 2/,
    );
    assert.deepEqual(outline(report.changed), [`changed ${at("one")} contains one`]);
    assert.match(report.failed[0]?.failure?.message ?? "", /it is not in the plan/);
  });

  test("is a plan, not the report of a deployment", async () => {
    const report = await deploy(host(file.hasContent(at("e"), ["x"])));
    assert.throws(() => deploy(report), {
      name: "InvalidArguments",
      message: "this is the report of a deployment, not a plan; deploy(await plan(…)) does what a plan says",
    });
  });
});

describe("the file of a plan", () => {
  const refused = (name: string, text: string, message: string) => {
    writeFileSync(at(name), text);
    assert.throws(() => readPlan(at(name)), { name: "InvalidPlan", message: `${at(name)} ${message}` });
  };

  test("is deployed as the plan is; only its owner can read it", async () => {
    const name = "filed.example.org";
    defhost(name, { deploy: [via.local()] }, file.hasContent(at("f"), ["x"]));
    const planned: FleetReport = await plan([
      defhost(name, { deploy: [via.local()] }, file.hasContent(at("f"), ["x"])),
    ]);
    assert.equal(writePlan(at("plan"), planned), 1);
    assert.equal(statSync(at("plan")).mode & 0o777, 0o600);
    const { reports } = await deployPlans(readPlan(at("plan")));
    assert.deepEqual(
      reports.map(({ status }) => status),
      ["changed"],
    );
    const again = await deployPlans(readPlan(at("plan")));
    assert.equal(again.ok, false, "it has come true already");
  });

  test("that was cut, edited, or is something else is refused with what is wrong", () => {
    const whole = readFileSync(at("plan"), "utf8");
    refused("cut", whole.slice(0, 300), "is not a complete plan: it is not valid JSON; make a new plan");
    refused(
      "edited",
      whole.replace("would change", "holds"),
      "is not as it was written: its digest differs; make a new plan",
    );
    refused("other", "{}", "is not a plan; make one with: consfig plan --out FILE");
    refused("text", "hello", "is not a plan; make one with: consfig plan --out FILE");
    refused(
      "newer",
      whole.replace('"v": 1', '"v": 2'),
      "is a plan of version 2, and this is for version 1; make a new plan",
    );
    assert.throws(() => readPlan(at("none")), { message: `there is no plan ${at("none")}` });
  });
});

describe("a plan of a real host", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
  });
  after(() => on?.stop());

  test("starts and leaves no agent: where none runs, the shell is asked", async () => {
    await on.deploy([prop("probe.runs", "true")], [on.ssh()]);
    const before = await snapshot(on.machine);
    const web1 = defhost(
      "planned-first.example.org",
      { deploy: [on.ssh(), via.agent()] },
      prop("file.hasContent", "/srv/planned", ["x"]),
    );
    const planning = plan(web1);
    const notices: string[] = [];
    planning.subscribe((event) => void (event.kind === "notice" && notices.push(event.text)));
    const planned = await planning;
    assert.deepEqual(notices, [
      "no agent runs on planned-first.example.org, so it is planned over the shell",
    ]);
    assert.deepEqual(
      planned.steps.map((step) => step.plan?.answer),
      ["would change"],
    );
    assert.deepEqual(changedPaths(before, await snapshot(on.machine)), []);
    assert.doesNotMatch(await on.machine.run("ps -eo args"), /consfigurator/);
    // With an agent that runs, too, nothing is left but what it had.
    assertOk(await on.deploy([prop("probe.runs", "true")]));
    await on.arrived();
    await until("its journal", () => existsSync(path.join(on.agent, "journal")));
    const journals = () => readdirSync(path.join(on.agent, "journal")).sort();
    const had = journals();
    assert.equal((await plan(web1)).steps[0]?.plan?.answer, "would change");
    await until("the journal of the plan to be gone", () => journals().join() === had.join());
    assert.equal(existsSync(path.join(on.machine.root, "srv/planned")), false);
  });

  for (const [kind, hops] of [
    ["agent", () => [on.ssh(), via.agent()]],
    ["shell", () => [on.ssh()]],
  ] as const) {
    test(`over the ${kind}: an account made by hand since is caught, and nothing is done to it`, async () => {
      const name = `made-${kind}`;
      const web1 = defhost(`planned-${kind}.example.org`, { deploy: hops() }, prop("user.hasAccount", name));
      const planned = await plan(web1);
      assert.deepEqual(
        planned.steps.map((step) => step.plan?.answer),
        ["would change"],
      );
      assert.doesNotMatch(await on.machine.run("cat /etc/passwd"), new RegExp(name), "planning makes none");
      await on.machine.run(`useradd --shell /bin/bash ${name}`);
      const { report } = await deployed(planned);
      assert.match(
        report.failed[0]?.failure?.message ?? "",
        /^user\.hasAccount is not as planned: .*now: it holds;/,
      );
    });

    test(`over the ${kind}: a package removed by hand since is caught`, async () => {
      const web1 = defhost(
        `planned-${kind}.example.org`,
        { deploy: hops() },
        prop("os.debianStable", "bookworm", "amd64"),
        prop("apt.installed", "nano"),
      );
      await on.machine.run("DEBIAN_FRONTEND=noninteractive apt-get install -y nano");
      const planned = await plan(web1);
      assert.equal(planned.steps.at(-1)?.plan?.answer, "holds");
      await on.machine.run("DEBIAN_FRONTEND=noninteractive apt-get remove -y nano");
      const { report } = await deployed(planned);
      assert.match(
        report.failed[0]?.failure?.message ?? "",
        /the plan said: it holds; now: it would change something/,
      );
      assert.match(await on.machine.run("dpkg-query -W -f '${Status}' nano || true"), /deinstall|^$/);
    });

    test(`over the ${kind}: a reboot since is said first`, async () => {
      const web1 = defhost(`planned-${kind}.example.org`, { deploy: hops() }, prop("probe.runs", "true"));
      const planned = await plan(web1);
      await on.machine.run(`echo ${randomBytes(16).toString("hex")} >/etc/machine-id`);
      const { notices } = await deployed(planned);
      assert.equal(
        notices[0],
        `planned-${kind}.example.org was rebooted or reinstalled since it was planned`,
      );
    });
  }
});
