/** What the example of a rented machine is made of. The machines of test/properties/_cleanInstall.test.ts are replaced really. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rented } from "../../hosts/rented";
import { seqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";

test("the system, then the boot loader, then the reboot", () => {
  const { application } = prepare(rented, seqprops(...rented.applications));
  const within = ({ property, args, parts = [] }: PropApp): string[] => [
    property,
    ...[...Object.values(args as object).flat(), ...parts]
      .filter((each): each is PropApp => typeof each === "object" && each !== null && "property" in each)
      .flatMap(within),
  ];
  assert.deepEqual(within(application), [
    "seqprops",
    "os.debianStable",
    "disk.hasVolumes",
    "onChange",
    "installer.cleanlyInstalledOnce",
    "onChange",
    "installer._replaced",
    "grub.grubInstalled",
    "installer._rebooted",
    "fstab.hasEntriesForVolumes",
    "mount.unmountedBelowAndRemoved",
    "network.static",
    "swap.hasSwapFile",
    "swap._file",
    "fstab.hasEntries",
  ]);
});
