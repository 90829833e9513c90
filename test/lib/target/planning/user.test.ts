/** What is planned as a user who does not exist yet. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { targetOf } from "consfigurator/testing";
import { HostModel } from "../../../../lib/model/host-facts";
import { Findings } from "../../../../lib/model/plan";
import type { TargetBase } from "../../../../lib/target/base";
import { PlannedHost } from "../../../../lib/target/planning/host";
import { NO_FLAGS, PlannedUserTarget } from "../../../../lib/target/planning/user";

const ada = { name: "ada", uid: 4242, gid: 4242, home: "/home/ada-of-the-test", shell: "/bin/sh" };
/** The step that makes the account. */
const ACCOUNT = { step: 1, certain: true };

function asAda() {
  const planned = new PlannedHost();
  const passwd = Buffer.from("root:x:0:0::/root:/bin/sh\n");
  planned.put("/etc/passwd", { type: "file", mode: 0o644, uid: 0, gid: 0, content: passwd }, ACCOUNT);
  planned.put(ada.home, { type: "directory", mode: 0o700, uid: ada.uid, gid: ada.gid, fresh: true }, ACCOUNT);
  const context = {
    host: HostModel.named("scratch.example.org"),
    signal: new AbortController().signal,
    output: () => {},
    atEnd: () => {},
    memory: new Map(),
    state: NO_FLAGS,
  };
  const findings = new Findings(2);
  const machine = targetOf("posix", context) as TargetBase;
  return { target: new PlannedUserTarget(machine, context, planned, findings, ada as never), findings };
}

describe("a plan as a user who does not exist yet", () => {
  test("what is in the planned home directory is certain, and belongs to that user", async () => {
    const { target, findings } = asAda();
    assert.equal(await target.ensureContent("notes", "x\n", { parents: true } as never), "changed");
    const { uid, gid } = (await target.stat(`${ada.home}/notes`)) ?? {};
    assert.deepEqual([uid, gid], [ada.uid, ada.gid]);
    assert.deepEqual((await target.identity()).home, ada.home);
    assert.equal(await target.state.has("x"), false);
    assert.deepEqual([...findings.dependsOn], []);
  });

  test("what only the host knows depends on the step that makes the account", async () => {
    for (const asks of [
      (target: PlannedUserTarget) => target.stat("/etc/hosts"),
      (target: PlannedUserTarget) => target.query("true"),
      (target: PlannedUserTarget) => target.hasCommand("sh"),
      (target: PlannedUserTarget) => target.list("/etc"),
      (target: PlannedUserTarget) => target.ensureContent("/etc/passwd", "x\n"),
      (target: PlannedUserTarget) => target.sameContent("/etc/hosts", "/etc/hostname"),
    ]) {
      const { target, findings } = asAda();
      await asks(target);
      assert.deepEqual([...findings.dependsOn], [ACCOUNT.step], String(asks));
    }
  });
});
