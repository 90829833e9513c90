import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as locale from "../../properties/locale";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what is no locale, or no variable, is refused", () => {
  assert.throws(() => locale.available("en_GB UTF-8"), {
    name: "InvalidArguments",
    message: 'locale.available: args.locale is "en_GB UTF-8"; it must be a locale, such as "en_GB.UTF-8"',
  });
  assert.throws(() => locale.selectedFor("en_GB.UTF-8", "LC_TIMES" as "LC_TIME"), {
    message: /^locale\.selectedFor: args\.variables\[0\] is "LC_TIMES"; it must be /,
  });
});

describe("locale on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(
    async () => {
      sides = await bootSides();
      await Promise.all(
        sides.each.map(({ machine }) =>
          machine.run("apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy locales", {
            timeout: limit(120),
          }),
        ),
      );
    },
    { timeout: limit(240) },
  );
  after(() => sides?.stop());

  // locale-gen writes its archive anew, with other times in it.
  const except = { except: ["/usr/lib/locale", "/var/lib/apt", "/var/cache", "/var/lib/dpkg"] };
  const locales = (side: Side) => side.machine.run("locale -a | grep -E '^(en|de)'");

  test("available, exactly as it is written, and no longer", { timeout: limit(120) }, () =>
    sides.both(async (side) => {
      const { machine } = side;
      const british = locale.available("en_GB");
      await holdsAfterwards(side, british, except);
      assert.equal(await locales(side), "en_GB\nen_GB.iso88591\n");
      assert.equal(
        await machine.run("grep -v '^#' /etc/locale.gen | grep .; grep en_GB.UTF-8 /etc/locale.gen"),
        "en_GB ISO-8859-1\n# en_GB.UTF-8 UTF-8\n",
      );
      await machine.run("sed -i /de_DE/d /etc/locale.gen");
      const german = locale.available("de_DE.UTF-8");
      await holdsAfterwards(side, german, except);
      assert.match(await locales(side), /^de_DE\.utf8$/m);
      await isUndone(side, british);
      assert.equal(await locales(side), "de_DE.utf8\n");
      const { failures } = await side.apply(locale.available("de_DE.UTF-16"));
      assert.deepEqual(
        failures.map(({ name, message }) => `${name}: ${message}`),
        ["AbortedChange: there is no locale de_DE.UTF-16; there are de_DE.UTF-8, de_DE, de_DE@euro"],
      );
    }, except),
  );

  test("selected for variables; others stay", { timeout: limit(120) }, () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("printf 'LC_PAPER=\"C.UTF-8\"\\nLANG=C\\n' >/etc/default/locale");
      const german = locale.selectedFor("de_DE.UTF-8", "LANG", "LC_TIME");
      await holdsAfterwards(side, german, except);
      assert.equal(
        await machine.run("cat /etc/default/locale"),
        'LC_PAPER="C.UTF-8"\nLANG=de_DE.UTF-8\nLC_TIME=de_DE.UTF-8\n',
      );
      await machine.run("update-locale && sed -i 's/^LANG=.*/LANG=\"de_DE.UTF-8\"/' /etc/default/locale");
      await holds(side, german, except);
      await isUndone(side, german);
      assert.equal(await machine.run("cat /etc/default/locale"), 'LC_PAPER="C.UTF-8"\n');
    }, except),
  );
});
