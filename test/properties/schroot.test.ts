import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops, unapplied } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as os from "../../properties/os";
import * as schroot from "../../properties/schroot";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Sides } from "../support/sides";

test("that overlays are used is a fact, unless it is unapplied", () => {
  const facts = (...applications: PropApp[]) =>
    schroot.areOverlaysUsed(
      prepare({ name: "web1" }, eseqprops(os.debianStable("bookworm", "amd64"), ...applications)).model,
    );
  assert.equal(facts(schroot.usesOverlays()), true);
  assert.equal(facts(schroot.overlaysInTmpfs()), true);
  assert.equal(facts(unapplied(schroot.overlaysInTmpfs())), false);
});

describe("schroot on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  test(
    "installed; overlays in memory: what a session changes is gone after it",
    { timeout: 5 * 60_000 },
    () =>
      sides.both(async (side) => {
        await holdsAfterwards(side, schroot.installed());
        const inMemory = schroot.overlaysInTmpfs();
        await holdsAfterwards(side, inMemory);
        const conf =
          "[here]\\nprofile=minimal\\ntype=directory\\ndirectory=/srv/here\\nunion-type=overlay\\nroot-groups=root\\n";
        await side.machine.run(
          `mkdir -p /srv/here; cd /srv/here; printf '${conf}' >/etc/schroot/chroot.d/here
        mkdir -p usr/bin usr/lib/x86_64-linux-gnu usr/lib64 etc proc sys dev/pts dev/shm tmp home run
        for each in bin lib lib64; do ln -s usr/$each $each; done
        for each in /bin/sh /bin/cat /lib/x86_64-linux-gnu/libc.so.6 /lib64/ld-linux-x86-64.so.2; do cp -L $each .$each; done`,
        );
        const command = "schroot -c here -u root -d / -- sh -c";
        assert.equal(
          await side.machine.run(`${command} 'echo in >/etc/new; cat /etc/new' && ls -A /srv/here/etc`),
          "in\n",
        );
        assert.equal(
          await side.machine.run("grep -c /var/lib/schroot/union/overlay /proc/mounts || true"),
          "0\n",
        );
        await side.machine.run("rm -r /srv/here /etc/schroot/chroot.d/here");
        await isUndone(side, inMemory);
      }),
  );
});
