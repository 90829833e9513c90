import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as crypttab from "../../properties/crypttab";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

test("what is no entry is refused", () => {
  assert.throws(() => crypttab.hasEntries("/dev/mapper/home UUID=1"), {
    name: "InvalidArguments",
    message:
      'crypttab.hasEntries: args.entries[0] is "/dev/mapper/home UUID=1"; it must be an entry of crypttab(5): name, device, key file and options, such as "home_crypt UUID=1c2d-3e4f none luks"',
  });
});

describe("crypttab on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("entries, by name", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("printf '# ours\\nroot_crypt UUID=1 none luks\\n' >/etc/crypttab");
      const home = crypttab.hasEntries("home_crypt UUID=2 none luks,discard");
      await holdsAfterwards(side, home);
      const root = crypttab.hasEntries({ name: "root_crypt", options: ["luks", "discard", "initramfs"] });
      await holdsAfterwards(side, root);
      await holds(side, home);
      assert.equal(
        await machine.run("cat /etc/crypttab"),
        "# ours\nroot_crypt UUID=1 none luks,discard,initramfs\nhome_crypt UUID=2 none luks,discard\n",
      );
      await isUndone(side, home);
      await machine.run("rm /etc/crypttab");
      await holdsAfterwards(side, home);
      await isUndone(side, home);
      await machine.run("! ls /etc/crypttab");
    }));
});
