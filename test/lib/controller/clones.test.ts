import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { clone, openClones } from "../../../lib/controller/clones";
import { deploy } from "../../../lib/controller/deploy";
import { openShell } from "../../../lib/controller/open-shell";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import * as via from "../../../lib/via";
import * as cmd from "../../../properties/cmd";
import * as file from "../../../properties/file";
import * as hostname from "../../../properties/hostname";
import { debianStable } from "../../../properties/os";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { assertOk, type Rig, rig } from "../agent/_rig";
import { clonesOn, untouched } from "../connection/_untouched";

describe("a clone that is kept", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    await on.machine.run("systemctl is-system-running --wait || true");
  });
  after(() => on?.stop());

  for (const [kind, more] of [
    ["a shell", []],
    ["an agent", [via.agent()]],
  ] as const)
    test(`through ${kind}: is deployed into again and again, and has a shell; what differs is seen until it is discarded`, {
      timeout: limit(120),
    }, async () => {
      const web1 = defhost(
        `kept-${more.length}.example.org`,
        { deploy: [on.ssh(), ...more] as never },
        debianStable("bookworm", "amd64"),
        hostname.configured("another-name.example.org"),
        file.hasContent("/etc/kept", ["one"]),
      );
      const assertUntouched = await untouched(on);
      const kept = await clone(web1);
      assert.deepEqual(await kept.diff(), []);
      assertOk(await deploy(web1, kept.hops));
      assertOk(await deploy(web1, kept.hops, file.containsLines("/etc/kept", "two")));
      const shell = await openShell(kept.named, kept.hops, { columns: 80, rows: 24 });
      shell.stdin.end("unset HISTFILE; echo three >>/etc/kept; exit\n");
      await Promise.all([text(shell.stdout), shell.exit]);
      await shell.close();
      const diff = await kept.diff();
      assert.deepEqual(
        diff.map(({ path }) => path),
        ["/etc/hostname", "/etc/hosts", "/etc/kept"],
      );
      const { content } = diff[2] ?? {};
      assert.equal(content?.form === "diff" && content.diff, "@@ -0,0 +1,3 @@\n+one\n+two\n+three\n");
      assert.deepEqual(openClones(), [kept]);
      await kept.discard();
      assert.deepEqual([openClones(), await clonesOn(on)], [[], []]);
      await assert.rejects(kept.diff(), {
        name: "ConsfigError",
        message: `this clone of ${web1.name} has ended; make a new one: clone(…)`,
      });
      await session.connections.close();
      await assertUntouched();
    });

  test("two of one host are two, and both end with the session", async () => {
    const web1 = defhost("kept-twice.example.org", { deploy: [on.ssh()] as never });
    const [one, two] = [await clone(web1), await clone(web1)];
    assertOk(await deploy(web1, one.hops, file.hasContent("/etc/one", ["x"])));
    assertOk(await deploy(web1, two.hops, cmd.single("test ! -e /etc/one")));
    assert.equal((await clonesOn(on)).length, 2);
    await session.close();
    assert.deepEqual(openClones(), []);
  });

  test("only hosts have clones, and one without hops needs some", async () => {
    await assert.rejects(clone("web1" as never), {
      name: "InvalidArguments",
      message: "clone: expected a host from defhost; got 'web1'",
    });
    await assert.rejects(clone(defhost("kept-nowhere.example.org")), {
      name: "InapplicableProperty",
      message:
        'kept-nowhere.example.org has no hops, and none were given; write deploy(host, via.ssh({ user: "root" }), via.agent()), or add { deploy: […] } to its defhost',
    });
  });
});
