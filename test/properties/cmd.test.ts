import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { onBothTargets } from "consfigurator/testing";
import * as cmd from "../../properties/cmd";

test("one word is shell text, several are words, lists are flattened", () => {
  assert.deepEqual(cmd.single("echo $HOME | wc").args, { command: "echo $HOME | wc" });
  assert.deepEqual(cmd.single("echo", null, ["a b", ["c"]], undefined).args, {
    command: ["echo", "a b", "c"],
  });
  assert.deepEqual(cmd.single(["true"], { timeout: 3 }).args, { command: "true", timeout: 3 });
  assert.equal(
    inspect(cmd.single("echo", "a b", { mayFail: true })),
    "cmd.single('echo', 'a b', { mayFail: true })",
  );
});

test("a missing command and unknown options are refused", () => {
  assert.throws(() => cmd.single({ mayFail: true }), { name: "InvalidArguments" });
  assert.throws(() => cmd.single("true", { timeOut: 3 } as object), {
    message:
      'cmd.single: args has an unknown field "timeOut"; it takes "command", "env", "cwd", "input", "inform", "mayFail", "timeout", "touches", "creates", "removes", "onlyIf", "unless"',
  });
});

test("a command runs and counts as a change each time", (t) =>
  onBothTargets(t, async ({ apply, snapshot }) => {
    const property = cmd.single("echo x >> log");
    assert.equal(await apply(property), "changed");
    assert.equal(await apply(property), "changed");
    assert.match(snapshot()["log"] ?? "", /^100644/);
  }));

test("a failure shows the command and its error output", (t) =>
  onBothTargets(t, async ({ apply, unapply }) => {
    await assert.rejects(apply(cmd.single("sh", "-c", "echo no such shop >&2; exit 3")), {
      name: "RunFailed",
      message: "`sh -c 'echo no such shop >&2; exit 3'` ended with exit code 3: no such shop",
    });
    assert.equal(await apply(cmd.single("exit 3", { mayFail: true })), "changed");
    await assert.rejects(unapply(cmd.single("true")), /cmd\.single cannot be unapplied/);
  }));

test("environment, directory, input, live output", (t) =>
  onBothTargets(t, async ({ apply, dir, output }) => {
    await apply(cmd.single("mkdir sub"));
    const options = { env: { A: "1 2", HOME: null }, cwd: "sub", input: "given", inform: true };
    await apply(cmd.single('echo "$A ${HOME-unset} $(pwd) $(cat)"', options));
    assert.equal(output(), `1 2 unset ${dir}/sub given\n`);
  }));

test("creates, removes, onlyIf and unless decide whether the command runs", (t) =>
  onBothTargets(t, async ({ apply, dir, check }) => {
    writeFileSync(`${dir}/there`, "");
    const holds = {
      creates: [{ creates: "there" }, { creates: "absent" }],
      removes: [{ removes: "absent" }, { removes: "there" }],
      onlyIf: [{ onlyIf: "false" }, { onlyIf: 'test "$A" = 1', env: { A: "1" } }],
      unless: [{ unless: "true" }, { unless: "false" }],
    };
    for (const [name, [already = {}, not = {}]] of Object.entries(holds)) {
      assert.equal(await check(cmd.single("true", already)), true, name);
      assert.equal(await check(cmd.single("true", not)), false, name);
    }
    assert.equal(await apply(cmd.single("echo > made", { creates: "made" })), "changed");
    assert.equal(await apply(cmd.single("echo > made", { creates: "made" })), "unchanged");
    assert.equal(await apply(cmd.single("rm made", { removes: "made" })), "changed");
    assert.equal(existsSync(`${dir}/made`), false);
  }));

test("a command that takes too long is killed", (t) =>
  onBothTargets(t, async ({ apply }) => {
    const long = `: ${"'it' ".repeat(40_000)}\ntest "$(cat)" = input`;
    assert.equal(await apply(cmd.single(long, { timeout: 20, input: "input" })), "changed");
    assert.equal(await apply(cmd.single(long, { input: "input" })), "changed");
    await assert.rejects(apply(cmd.single("sleep 20", { timeout: 1 })), {
      name: "FailedChange",
      message: "`sleep 20` timed out after 1 s",
    });
    await assert.rejects(apply(cmd.single("echo no shop >&2; exit 4", { timeout: 5 })), {
      name: "RunFailed",
      message: "`echo no shop >&2; exit 4` ended with exit code 4: no shop",
    });
    assert.equal(await apply(cmd.single("exit 4", { timeout: 5, mayFail: true })), "changed");
  }));
