/** What a plan knows of commands, accounts and rights; files are in as-the-host.test.ts. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { type OnTarget, onBothTargets } from "consfigurator/testing";
import { FailedChange, RunFailed } from "../../../../lib/model/errors";
import type { HostParts, PlanModel, PosixTarget } from "../../../../lib/model/target";
import { needsMachines } from "../../../support/machines";
import { dependsOn, endOf, type PlannedStep, TestPlan } from "./_plan";

/** A test of a plan over both targets, after which nothing on this machine has changed. */
const planned = (name: string, body: (plan: TestPlan, on: OnTarget) => Promise<void>): void => {
  test(name, (t) =>
    onBothTargets(t, async (on) => {
      mkdirSync(`${on.dir}/dir`);
      writeFileSync(`${on.dir}/file`, "one\n");
      const before = on.snapshot();
      await body(new TestPlan(on.kind), on);
      assert.deepEqual(on.snapshot(), before, "nothing was done");
    }),
  );
};

/** Whether the step depends on an earlier one after `ask`, and on which. */
async function dependsAfter<T = unknown>(
  step: PlannedStep,
  ask: (target: PosixTarget) => Promise<T>,
): Promise<{ answer: T; on: number[] }> {
  const answer = await ask(step.target);
  return { answer, on: dependsOn(step) };
}

describe("commands that act", () => {
  planned("are not run; without predict they end the slot", async (plan, { dir }) => {
    const step = plan.step();
    assert.equal(
      await endOf(step.target.run(["touch", `${dir}/made`])),
      `what \`touch ${dir}/made\` prints is not known`,
    );
    assert.equal(step.findings.open, true);
    assert.equal(step.findings.certain, true);
    assert.deepEqual(step.changes, [{ kind: "command", command: `touch ${dir}/made` }]);
  });

  planned("that are secret are not named", async (plan) => {
    const step = plan.step();
    assert.equal(
      await endOf(step.target.run("echo s3cret", { secret: true })),
      "what `a command that is secret` prints is not known",
    );
    assert.deepEqual(step.changes, [{ kind: "command", command: "a command that is secret" }]);
  });

  planned("go on in the model with predict", async (plan, { dir }) => {
    const step = plan.step();
    const predict = async (model: PlanModel) => {
      await model.writeFile("made", "by the command\n");
      return { stdout: "made it\n" };
    };
    const result = await step.target.run(["make", "it"], { predict });
    assert.deepEqual(result, { exit: 0, stdout: "made it\n", stderr: "" });
    assert.equal(await step.target.readFile("made"), "by the command\n");
    assert.equal(await plan.target.readFile(`${dir}/made`), "by the command\n");
    // What is predicted is part of the command, not another change.
    assert.deepEqual(step.changes, [{ kind: "command", command: "make it" }]);
    assert.deepEqual([step.findings.open, step.findings.certain], [false, true]);
  });

  planned("may be predicted to fail", async (plan) => {
    const predict = () => ({ exit: 2, stderr: "no paint\n" });
    const step = plan.step();
    const failure = await step.target.run("paint", { predict }).catch((error: unknown) => error);
    assert.ok(failure instanceof RunFailed);
    assert.equal(failure.message, "`paint` ended with exit code 2: no paint");
    assert.equal((await step.target.run("paint", { predict, mayFail: true })).exit, 2);
  });

  planned("that nobody can predict make the step unknown, with the reason", async (plan) => {
    const step = plan.step();
    await step.target.run("dice", { predict: () => undefined, unpredictable: "it throws dice" });
    await step.target.run("dice", { predict: () => undefined, unpredictable: "a second reason" });
    assert.equal(step.findings.unknown, "it throws dice");
    assert.equal(step.findings.certain, false);
  });
});

describe("what a command may have changed", () => {
  const after = async (plan: TestPlan, touches?: HostParts): Promise<void> => {
    await endOf(plan.step().target.run("act", touches ? { touches } : {}));
  };

  planned("is anything without touches", async (plan) => {
    await after(plan);
    const questions: ((target: PosixTarget) => Promise<unknown>)[] = [
      (on) => on.stat("file"),
      (on) => on.readBytes("file"),
      (on) => on.list("dir"),
      (on) => on.readLink("file"),
      (on) => on.realPath("file"),
      (on) => on.sameContent("file", "file"),
      (on) => on.user("root"),
      (on) => on.group("root"),
      (on) => on.groupsOf("root"),
      (on) => on.hasCommand("sh"),
      (on) => on.query("true"),
      (on) => on.query("true", { about: { packages: true } }),
      (on) => on.ensureContent("file", "one\n"),
    ];
    for (const ask of questions)
      assert.deepEqual((await dependsAfter(plan.step(), ask)).on, [1], String(ask));
  });

  planned("is not what belongs to the kernel, nor the connected user", async (plan) => {
    await after(plan);
    const { on } = await dependsAfter(plan.step(), async (target) => {
      await target.readFile("/proc/self/mountinfo");
      await target.stat("/sys/kernel");
      await target.identity();
    });
    assert.deepEqual(on, []);
  });

  planned("is nothing that a question about nothing asks, unless it is anything", async (plan) => {
    await after(plan, { paths: ["/"], packages: true, accounts: true, units: true, additions: true });
    const ask = (target: PosixTarget) => target.query("true", { about: {} });
    assert.deepEqual((await dependsAfter(plan.step(), ask)).on, []);
    await after(plan);
    assert.deepEqual((await dependsAfter(plan.step(), ask)).on, [3]);
  });

  planned("is what is below the paths that it touches", async (plan, { dir }) => {
    await after(plan, { paths: [`${dir}/dir`] });
    const rows: [ask: (target: PosixTarget) => Promise<unknown>, on: number[]][] = [
      [(on) => on.stat("dir"), [1]],
      [(on) => on.stat("dir/new"), [1]],
      [(on) => on.list("dir"), [1]],
      [(on) => on.stat("dirt"), []],
      [(on) => on.readFile("file"), []],
      [(on) => on.user("root"), []],
      [(on) => on.hasCommand("sh"), []],
      [(on) => on.query("true", { about: { paths: [`${dir}/dir/x`] } }), [1]],
      [(on) => on.query("true", { about: { paths: [dir] } }), [1]],
      [(on) => on.query("true", { about: { paths: [`${dir}/file`] } }), []],
      [(on) => on.query("true", { about: { accounts: true, units: true, packages: true } }), []],
      [(on) => on.query("true"), [1]],
    ];
    for (const [ask, on] of rows)
      assert.deepEqual((await dependsAfter(plan.step(), ask)).on, on, String(ask));
  });

  planned("is what is not there yet, of additions", async (plan) => {
    await after(plan, { additions: true });
    const rows: [ask: (target: PosixTarget) => Promise<unknown>, on: number[]][] = [
      [(on) => on.stat("new"), [1]],
      [(on) => on.stat("file"), []],
      [(on) => on.list("dir"), [1]],
      [(on) => on.user("nobody-at-all"), [1]],
      [(on) => on.user("root"), []],
      [(on) => on.group("nobody-at-all"), [1]],
      [(on) => on.hasCommand("no-such-command"), [1]],
      [(on) => on.hasCommand("sh"), []],
      [(on) => on.query("true", { about: { additions: true } }), [1]],
      [(on) => on.query("true", { about: { accounts: true } }), []],
    ];
    for (const [ask, on] of rows)
      assert.deepEqual((await dependsAfter(plan.step(), ask)).on, on, String(ask));
  });

  planned("is accounts, packages or units", async (plan) => {
    await after(plan, { accounts: true });
    await after(plan, { packages: true });
    await after(plan, { units: ["ssh.service", "cron.service"] });
    await after(plan, { units: true });
    const rows: [about: HostParts, on: number[]][] = [
      [{ accounts: true }, [1]],
      [{ packages: true }, [2]],
      [{ units: ["cron.service"] }, [3, 4]],
      [{ units: ["nginx.service"] }, [4]],
      [{ units: true, packages: true }, [2, 3, 4]],
      [{ additions: true }, []],
    ];
    for (const [about, on] of rows)
      assert.deepEqual((await dependsAfter(plan.step(), (t) => t.query("true", { about }))).on, on);
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.user("root"))).on, [1]);
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.stat("file"))).on, []);
  });

  planned("is known again once it is planned anew", async (plan, { dir }) => {
    await after(plan, { paths: [dir] });
    const writes = plan.step();
    await writes.target.writeFile("file", "as planned\n");
    assert.deepEqual(dependsOn(writes), [1], "whether the directory is still there depends on the command");
    const reads = await dependsAfter(plan.step(), (t) => t.readFile("file"));
    assert.equal(reads.answer, "as planned\n");
    assert.deepEqual(reads.on, [2], "the write is not certain");
  });

  planned("ends the slot of the command itself when it asks for that", async (plan, { dir }) => {
    const step = plan.step();
    await step.target.run("act", { predict: () => undefined, touches: { paths: [`${dir}/dir`] } });
    assert.equal(await endOf(step.target.list("dir")), "it asks for what it has changed");
    assert.equal(step.findings.open, true);
    assert.deepEqual(dependsOn(step), []);
  });

  planned("includes what predict adds with mayChange", async (plan, { dir }) => {
    const predict = (model: PlanModel) => {
      model.mayChange({ paths: [`${dir}/file`] });
      return undefined;
    };
    const step = plan.step();
    await step.target.run("act", { predict });
    assert.equal(step.findings.open, false);
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.readFile("file"))).on, [1]);
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.list("dir"))).on, []);
    const anything = (model: PlanModel) => {
      model.mayChange();
      return undefined;
    };
    await plan.target.run("act", { predict: anything });
    assert.equal(dependsOn(await stepAfter(plan, (t) => t.list("dir"))).length, 1);
  });
});

async function stepAfter(
  plan: TestPlan,
  ask: (target: PosixTarget) => Promise<unknown>,
): Promise<PlannedStep> {
  const step = plan.step();
  await ask(step.target);
  return step;
}

describe("commands that ask", () => {
  planned("are run", async (plan, { dir }) => {
    const step = plan.step();
    assert.equal((await step.target.query("cat file; pwd")).stdout, `one\n${dir}\n`);
    assert.equal(await step.target.succeeds("exit 3"), false);
    assert.deepEqual(step.changes, []);
    assert.deepEqual([step.findings.open, step.findings.certain], [false, true]);
    await assert.rejects(step.target.query("exit 3"), {
      name: "RunFailed",
      message: "`exit 3` ended with exit code 3",
    });
  });

  planned("depend on what was written at the paths they are about", async (plan, { dir }) => {
    await plan.target.writeFile("file", "two\n");
    const about = { paths: [`${dir}/file`] };
    const { answer, on } = await dependsAfter(plan.step(), (t) => t.query("cat file", { about }));
    assert.equal(answer.stdout, "one\n", "as the host is now");
    assert.deepEqual(on, [1]);
    const other = { paths: [`${dir}/dir`] };
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.query("true", { about: other }))).on, []);
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.query("true"))).on, [1]);
  });

  planned("are answered by what was predicted, until that changes", async (plan, { dir }) => {
    const about = { paths: [`${dir}/file`] };
    const predict = (model: PlanModel) => {
      model.answer(["show", "it"], { stdout: "predicted\n" }, about);
      model.answer("ask it", { exit: 1 }, { packages: true });
      return undefined;
    };
    await plan.step().target.run("act", { predict });
    const step = plan.step();
    assert.equal((await step.target.query(["show", "it"])).stdout, "predicted\n");
    assert.equal(await step.target.succeeds("ask it"), false);
    await assert.rejects(step.target.query("ask it"), { message: "`ask it` ended with exit code 1" });
    assert.deepEqual(dependsOn(step), []);
    await plan.step().target.writeFile("file", "changed since\n");
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.query(["show", "it"]))).on, [3]);
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.succeeds("ask it"))).on, []);
  });

  planned("with an answer of a step that is not certain depend on that step", async (plan) => {
    await endOf(plan.step().target.run("act", { touches: { packages: true } }));
    const uncertain = plan.step(1);
    const predict = (model: PlanModel) => {
      model.answer("show", { stdout: "maybe\n" }, {});
      return undefined;
    };
    await uncertain.target.run("act", { predict });
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.query("show"))).on, [2]);
  });
});

describe("steps that are not certain", () => {
  planned("make what they write uncertain for others, and not for themselves", async (plan) => {
    await endOf(plan.step().target.run("act", { touches: { packages: true } }));
    const uncertain = plan.step(1);
    await uncertain.target.writeFile("file", "maybe\n");
    await uncertain.target.makeDirectory("made");
    await uncertain.target.ensureContent("made/file", "x");
    assert.equal(await uncertain.target.readFile("file"), "maybe\n");
    assert.deepEqual(await uncertain.target.list("made"), ["file"]);
    assert.deepEqual(dependsOn(uncertain), [1]);
    const questions: ((t: PosixTarget) => Promise<unknown>)[] = [
      (t) => t.readFile("file"),
      (t) => t.stat("made"),
      (t) => t.stat("made/file"),
      (t) => t.list("."),
    ];
    for (const ask of questions)
      assert.deepEqual((await dependsAfter(plan.step(), ask)).on, [2], String(ask));
    assert.deepEqual((await dependsAfter(plan.step(), (t) => t.stat("dir"))).on, []);
  });
});

describe("accounts", () => {
  /** `predict` of a command that adds a user and a group. */
  const adds = async (model: PlanModel) => {
    await model.editLines("/etc/passwd", (lines) => [
      ...lines,
      "deploy:x:4242:4243:,,,:/home/deploy:/bin/sh",
    ]);
    await model.editLines("/etc/group", (lines) => [...lines, "deploy:x:4243:", "web:x:4244:deploy"]);
    return undefined;
  };

  planned("that an earlier step creates are there, and own files", async (plan) => {
    const before = readFileSync("/etc/passwd", "utf8");
    await plan.step().target.run("useradd deploy", { predict: adds });
    const step = plan.step();
    assert.deepEqual(await step.target.user("deploy"), {
      name: "deploy",
      uid: 4242,
      gid: 4243,
      gecos: ",,,",
      home: "/home/deploy",
      shell: "/bin/sh",
    });
    assert.equal((await step.target.user(4242))?.name, "deploy");
    assert.deepEqual(await step.target.group("web"), { name: "web", gid: 4244, members: ["deploy"] });
    assert.deepEqual(await step.target.groupsOf("deploy"), ["deploy", "web"]);
    assert.equal(await step.target.user("nobody-at-all"), undefined);
    assert.equal((await step.target.user("root"))?.uid, 0);
    assert.deepEqual(await step.target.groupsOf("root"), ["root"]);
    await step.target.setOwner("file", { user: "deploy", group: "web" });
    const stat = await plan.target.stat("file");
    assert.deepEqual([stat?.uid, stat?.gid], [4242, 4244]);
    assert.deepEqual(dependsOn(step), []);
    assert.deepEqual(step.changes, [
      {
        kind: "file",
        change: "modified",
        path: "file",
        type: "file",
        owner: { from: "0:0", to: "4242:4244" },
      },
    ]);
    assert.equal(readFileSync("/etc/passwd", "utf8"), before);
  });

  planned("that an earlier step removes are gone", async (plan) => {
    const predict = async (model: PlanModel) => {
      await model.editLines("/etc/passwd", (lines) => lines.filter((line) => !line.startsWith("daemon:")));
      return undefined;
    };
    await plan.step().target.run("userdel daemon", { predict });
    const step = plan.step();
    assert.equal(await step.target.user("daemon"), undefined);
    await assert.rejects(step.target.setOwner("file", { user: "daemon" }), {
      name: "FailedChange",
      message: "cannot set the owner of file: there is no user daemon on this host",
    });
  });

  planned("without which a file cannot be given away are missed before the deployment", async (plan) => {
    await assert.rejects(plan.target.setOwner("file", { group: "nobody-at-all" }), {
      name: "FailedChange",
      message: "cannot set the owner of file: there is no group nobody-at-all on this host",
    });
  });
});

describe("temporary files", () => {
  planned("are not on the host, and are no change", async (plan, { dir }) => {
    const step = plan.step();
    let seen: [file: string, content: string][] = [];
    await step.target.withTemporaryFile(
      async (file) => {
        seen = [[file, await step.target.readFile(file)]];
        await step.target.writeFile(file, "more\n");
        assert.equal((await step.target.stat(file))?.mode, 0o600);
        await step.target.rename(file, "from-temporary");
      },
      { content: "text\n", directory: dir },
    );
    assert.match(seen[0]?.[0] ?? "", new RegExp(`^${dir}/consfigurator\\.[0-9a-f]{18}$`));
    assert.equal(seen[0]?.[1], "text\n");
    assert.equal(await step.target.readFile("from-temporary"), "more\n");
    await step.target.withTemporaryDirectory(async (directory) => {
      assert.deepEqual(await step.target.list(directory), []);
      await step.target.writeFile(`${directory}/file`, "x");
      assert.deepEqual(await step.target.list(directory), ["file"]);
      seen.push([directory, ""]);
    });
    assert.match(seen[1]?.[0] ?? "", /^\/tmp\/consfigurator\.[0-9a-f]{18}$/);
    for (const [file] of seen) assert.equal(await plan.target.stat(file), undefined);
    assert.deepEqual(step.changes, []);
  });
});

describe("flags", () => {
  planned("are set and cleared in the plan only", async (plan, { target }) => {
    await target.state.set("kept", "on the host");
    const { state } = plan.target;
    assert.deepEqual([await state.has("kept"), await state.has("new")], [true, false]);
    await state.set("new", "planned");
    await state.clear("kept");
    const later = plan.target.within({ home: "/root" }).state;
    assert.deepEqual([await later.has("kept"), await later.has("new")], [false, true]);
    assert.equal(await target.state.has("kept"), true);
    await target.state.clear("kept");
    await target.remove(".local", { recursive: true });
  });
});

describe("with another home directory", () => {
  planned("relative paths start there, in questions and in acts", async (plan, { dir }) => {
    const inner = plan.target.within({ home: `${dir}/dir` });
    await inner.writeFile("file", "inner\n");
    assert.equal(await plan.target.readFile("dir/file"), "inner\n");
    assert.equal((await inner.query("pwd", { about: {} })).stdout, `${dir}/dir\n`);
    assert.deepEqual(await inner.list("."), ["file"]);
  });
});

describe("a file that is validated before it is put in place", () => {
  planned("is validated in a plan, too", async (plan) => {
    const validate = async (content: Buffer) => {
      throw new FailedChange(`${content.length} bytes are too few`);
    };
    await assert.rejects(plan.target.writeFile("file", "x", { validate }), {
      name: "FailedChange",
      message: "1 bytes are too few",
    });
    assert.equal(await plan.target.readFile("file"), "one\n");
  });
});

test("an ordinary user is refused what the host would refuse", needsMachines(), () => {
  const dir = mkdtempSync(path.join(tmpdir(), "ordinary-"));
  chmodSync(dir, 0o777);
  const register = path.join(__dirname, "../../../../lib/source/register.js");
  try {
    const args = ["--require", register, path.join(__dirname, "_as-nobody.ts"), dir];
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr + stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
