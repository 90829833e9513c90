/** Which answers count in which turn, over a bare shell on this machine: after bounded acts, in bound deployments, in combinators. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { concurrently, eseqprops, onChange, withFlagfile } from "../../../../lib/combinators";
import { local } from "../../../../lib/connection/local";
import { deploy as deployPlan, deployThese, plan } from "../../../../lib/controller/deploy";
import type { Deployment } from "../../../../lib/controller/deployment";
import { session } from "../../../../lib/controller/session";
import { defhost } from "../../../../lib/model/host";
import { defprop, type PropApp } from "../../../../lib/model/property";
import type { Report } from "../../../../lib/model/report";
import { object, string } from "../../../../lib/model/schema";
import { cmd, file } from "../../../../properties";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "answers-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
after(() => session.close());

/** The commands of a deployment, and its report. */
async function commandsOf(begin: () => Deployment<Report>): Promise<[string[], Report]> {
  session.verbose = true;
  const begun = begin();
  session.verbose = false;
  const commands: string[] = [];
  begun.subscribe((event) => {
    if (event.kind === "command-ran") commands.push(event.command);
  });
  return [commands, await begun];
}

const deploy = (...applications: PropApp[]) => deployThese("a.example.org", local(), ...applications);
const statuses = (report: Report) => report.steps.map(({ status }) => status);
const contentOf = (name: string) => readFileSync(`${dir}/${name}`, "utf8");
const holding = (count: number) =>
  Array.from({ length: count }, (_, n) => file.hasContent(`${dir}/${n}`, [`number ${n}`]));

/** Notes in the file `into` what is in the file `from`. */
const copies = defprop({
  name: "test.answers.copies",
  kind: "posix",
  args: object({ from: string(), into: string() }),
  call: (from: string, into: string) => ({ from, into }),
  apply: async ({ from, into }, target) => target.ensureContent(into, await target.readFile(from)),
});

describe("a command that touches only", () => {
  test("units leaves the answers about files", async () => {
    const all = holding(10);
    await deploy(...all);
    const runs = cmd.single("true", { touches: { units: ["a.service"] } });
    const [commands] = await commandsOf(() => deploy(...all.slice(0, 5), runs, ...all.slice(5)));
    assert.equal(commands[1], "true");
    assert.equal(commands.length, 2, commands.join("\n"));
  });

  test("a path makes the answers about files void, whatever leads there", async () => {
    writeFileSync(`${dir}/a`, "old\n");
    const overwrites = cmd.single(`echo new > ${dir}/a`, { touches: { paths: [`${dir}/a`] } });
    await deploy(copies(`${dir}/a`, `${dir}/before`), overwrites, copies(`${dir}/a`, `${dir}/after`));
    assert.equal(contentOf("before"), "old\n");
    assert.equal(contentOf("after"), "new\n");
  });

  test("additions makes the answers about what is not there void", async () => {
    const adds = cmd.single(`echo new > ${dir}/added`, { touches: { additions: true } });
    const wants = file.hasContent(`${dir}/added`, ["new"]);
    assert.deepEqual(statuses(await deploy(adds, wants)), ["changed", "unchanged"]);
  });

  test("what the answer of a query depends on makes that void", async () => {
    const asks = defprop({
      name: "test.answers.asks",
      kind: "posix",
      args: object({ place: string() }),
      check: ({ place }, target) =>
        target.succeeds(["test", "-e", place], { about: { units: ["a.service"] } }),
      apply: async () => {
        throw new Error("it was asked before");
      },
    });
    const starts = cmd.single(`touch ${dir}/started`, { touches: { units: ["a.service"] } });
    const report = await deploy(starts, asks({ place: `${dir}/started` }));
    assert.deepEqual(statuses(report), ["changed", "unchanged"]);
  });
});

describe("in the turn of a step", () => {
  test("no answer is waited for that another step must make possible", async () => {
    const opens = cmd.single(`touch ${dir}/gate`, { unless: `test -e ${dir}/gate` });
    const waits = cmd.single("exit 1", { unless: `while [ ! -e ${dir}/gate ]; do sleep 0.1; done` });
    assert.deepEqual(statuses(await deploy(opens, waits)), ["changed", "unchanged"]);
  });

  test("a command that no shell understands fails its own step only", async () => {
    const broken = cmd.single("true", { unless: "if (" });
    const report = await deploy(broken, cmd.single("exit 1", { unless: "true" }));
    assert.deepEqual(statuses(report), ["changed", "unchanged"]);
  });

  test("a secret is asked, and not before", async () => {
    const asks = defprop({
      name: "test.answers.secret",
      kind: "posix",
      args: object({ place: string() }),
      check: ({ place }, target) => target.succeeds(["test", "-e", place], { secret: true }),
      apply: async ({ place }, target) => {
        await target.writeFile(place, "");
        return "changed";
      },
    });
    const [commands, report] = await commandsOf(() => deploy(asks({ place: `${dir}/a` })));
    assert.deepEqual(statuses(report), ["changed"]);
    assert.deepEqual(commands, ["a command that is secret", `write ${dir}/a`, "a command that is secret"]);
  });
});

describe("changes are reported without a question of their own:", () => {
  const acts = defprop({
    name: "test.answers.acts",
    kind: "posix",
    args: object({ from: string(), to: string() }),
    apply: async ({ from, to }, target) => {
      if (from === "") await target.writeFile(to, "new\n");
      else await target.copyFile(from, to);
      return "changed";
    },
  });

  test("writeFile", async () => {
    writeFileSync(`${dir}/a`, "old\n");
    const [commands, report] = await commandsOf(() => deploy(acts({ from: "", to: `${dir}/a` })));
    assert.deepEqual(commands, [`write ${dir}/a`]);
    const content = { form: "diff", diff: "@@ -1 +1 @@\n-old\n+new\n", added: 1, removed: 1 };
    assert.deepEqual(report.steps[0]?.changes, [
      { kind: "file", change: "modified", path: `${dir}/a`, type: "file", content },
    ]);
  });

  test("writeFile, of a new file", async () => {
    const [commands, report] = await commandsOf(() => deploy(acts({ from: "", to: `${dir}/a` })));
    assert.deepEqual(commands, [`write ${dir}/a`]);
    const content = { form: "diff", diff: "@@ -0,0 +1 @@\n+new\n", added: 1, removed: 0 };
    const mode = { to: 0o644 };
    assert.deepEqual(report.steps[0]?.changes, [
      { kind: "file", change: "created", path: `${dir}/a`, type: "file", content, mode },
    ]);
  });

  test("copyFile", async () => {
    writeFileSync(`${dir}/a`, "old\n", { mode: 0o644 });
    writeFileSync(`${dir}/b`, "longer\n", { mode: 0o600 });
    const [commands, report] = await commandsOf(() => deploy(acts({ from: `${dir}/a`, to: `${dir}/b` })));
    assert.deepEqual(commands, [`copy ${dir}/a to ${dir}/b`]);
    const [change] = report.steps[0]?.changes ?? [];
    assert.equal(change?.kind === "file" && change.change, "modified");
    assert.deepEqual(change?.kind === "file" && change.mode, { from: 0o600, to: 0o644 });
  });
});

describe("over a bare shell,", () => {
  test("a bound deployment asks no more than an unbound one", async () => {
    const host = defhost("a.example.org", ...holding(20));
    await deploy(...holding(20));
    const planned = await plan(host, local());
    const [commands, report] = await commandsOf(() => deployPlan(planned));
    assert.equal(report.status, "unchanged");
    assert.equal(commands.length, 1, commands.join("\n"));
  });

  test("a bound deployment refuses a step whose file was changed since the plan", async () => {
    const host = defhost("a.example.org", ...holding(3));
    await deploy(...holding(3));
    const planned = await plan(host, local());
    writeFileSync(`${dir}/1`, "by hand\n");
    const report = await deployPlan(planned);
    assert.deepEqual(statuses(report), ["unchanged", "failed", "skipped"]);
    assert.equal(contentOf("1"), "by hand\n");
  });

  test("a bound deployment does what is planned, where steps build on each other", async () => {
    writeFileSync(`${dir}/a`, "one\n");
    const steps = [
      file.containsLines(`${dir}/a`, "two"),
      copies(`${dir}/a`, `${dir}/b`),
      file.containsLines(`${dir}/b`, "three"),
    ];
    const planned = await plan(defhost("a.example.org", ...steps), local());
    const report = await deployPlan(planned);
    assert.deepEqual(statuses(report), ["changed", "changed", "changed"]);
    assert.equal(contentOf("b"), "one\ntwo\nthree\n");
  });

  test("a follow-up that was left undone is found ahead, and done", async () => {
    const change = file.hasContent(`${dir}/a`, ["a"]);
    const follows = (command: string) => onChange(change, cmd.single(command));
    assert.deepEqual(statuses(await deploy(follows("exit 3"))), ["changed", "failed"]);
    assert.deepEqual(statuses(await deploy(follows(`touch ${dir}/done`))), ["unchanged", "changed"]);
    assert.ok(existsSync(`${dir}/done`));
    assert.deepEqual(statuses(await deploy(follows("exit 3"))), ["unchanged"]);
  });

  test("withFlagfile acts once", async () => {
    const once = () => withFlagfile(`${dir}/flag`, cmd.single(`echo x >> ${dir}/log`));
    await deploy(once(), once());
    await deploy(once());
    assert.equal(contentOf("log"), "x\n");
  });

  test("steps that run at once see their own changes", async () => {
    writeFileSync(`${dir}/from`, "x\n");
    const lanes = Array.from({ length: 8 }, (_, n) =>
      eseqprops(
        copies(`${dir}/from`, `${dir}/lane${n}`),
        file.containsLines(`${dir}/lane${n}`, `lane ${n}`),
        copies(`${dir}/lane${n}`, `${dir}/end${n}`),
      ),
    );
    const { ok } = await deploy(concurrently({ atOnce: 8 }, ...lanes));
    assert.ok(ok);
    for (const n of lanes.keys()) assert.equal(contentOf(`end${n}`), `x\nlane ${n}\n`);
  });
});
