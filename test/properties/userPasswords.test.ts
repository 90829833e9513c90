/** A password that is data of the consfig, on a real host: it lets its user in, and is seen nowhere. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { registerDataSource } from "../../lib/data/register";
import { filesTree } from "../../lib/data/sources";
import { dataSources } from "../../lib/model/data-source";
import * as via from "../../lib/via";
import { debianStable } from "../../properties/os";
import { hasEnabledPassword } from "../../properties/user";
import { assertOk, eventsOf, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";

describe("passwords of accounts", needsMachines(), () => {
  let on: Rig;
  const password = `canary:${randomBytes(12).toString("hex")}`;
  before(async () => {
    on = await rig();
    on.write({
      "data/--user-passwd--web1.example.org/ana": `${password}\n`,
      "data/--user-passwd--web1.example.org/ben": "two\nlines\n",
    });
    registerDataSource(filesTree(path.join(on.consfig, "data")));
  });
  after(async () => {
    dataSources.restore(new Map());
    await on?.stop();
  });

  /** Whether `given` is the password of ana, according to the library that su asks. */
  const isPassword = async (given: string): Promise<boolean> => {
    const [, shadow = ""] = (await on.machine.run("getent shadow ana")).split(":");
    const script = 'print crypt(<STDIN> =~ s/\\n//r, $ARGV[0]) eq $ARGV[0] ? "yes" : "no"';
    return (await on.machine.exec(`perl -e '${script}' '${shadow}'`, { input: given })).stdout === "yes";
  };

  for (const kind of ["agent", "shell"] as const) {
    const hops = () => (kind === "agent" ? [on.ssh(), via.agent()] : [on.ssh()]);
    const properties = [debianStable("bookworm", "amd64"), hasEnabledPassword("ana")];

    test(`${kind}: set where there is none or a locked one, and left alone afterwards`, async () => {
      await on.machine.run("userdel -r ana 2>/dev/null; useradd -m ana");
      const deployment = on.deploy(properties, hops());
      const events = eventsOf(deployment);
      assertOk(await deployment);
      assert.ok(await isPassword(password));
      assert.ok(!JSON.stringify(events).includes(password));
      await on.machine.run("echo ana:own | chpasswd");
      assert.equal((await on.deploy(properties, hops())).status, "unchanged");
      assert.ok(await isPassword("own"));
      await on.machine.run("passwd -q --lock ana");
      assertOk(await on.deploy(properties, hops()));
      assert.ok(await isPassword(password));
      await on.machine.run("passwd -q --delete ana");
      assertOk(await on.deploy(properties, hops()));
      assert.ok(await isPassword(password));
    });
  }

  test("what is not a password is refused", async () => {
    await on.machine.run("useradd -m ben");
    const report = await on.deploy([properties(), hasEnabledPassword("ben")]);
    assert.deepEqual(
      report.failed.map(({ failure }) => failure?.message),
      [
        "the data (--user-passwd--web1.example.org, ben) is not a password on one line; correct it where it comes from",
      ],
    );
  });
  const properties = () => debianStable("bookworm", "amd64");
});
