import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import type { PropApp } from "../../lib/model/property";
import { packages } from "../../properties";
import { needsMachines } from "../support/machines";
import { type Recording, record } from "../support/recorded";
import { bootSides, holds, holdsAfterwards, type Sides } from "../support/sides";

const namesIn = (application: PropApp): Record<string, string[]> => {
  const { choices } = application.args as { choices: { manager: { name: string }; names: string[] }[] };
  return Object.fromEntries(choices.map(({ manager, names }) => [manager.name, names]));
};

test("names by the manager: from the table, as given, or as they are", () => {
  packages.named("netcat", { apt: "netcat-openbsd", dnf: "nmap-ncat", pkgng: [] });
  const { apt, dnf, pkgng, apk } = namesIn(
    packages.installed("netcat", "git", { apt: ["a", "b"], apk: "c" }),
  );
  assert.deepEqual(apt, ["netcat-openbsd", "git", "a", "b"]);
  assert.deepEqual(dnf, ["nmap-ncat", "git"]);
  assert.deepEqual(pkgng, ["git"]);
  assert.deepEqual(apk, ["netcat", "git", "c"]);
  assert.throws(() => packages.named("net cat", { apt: "x" }), {
    name: "InvalidArguments",
    message: 'packages.named: the name is "net cat"; it must be one word, such as "netcat"',
  });
  assert.throws(() => packages.installed("-y"), {
    name: "InvalidArguments",
    message:
      /^packages\.installed: args\.choices\[0\]\.names\[0\] is "-y"; it must be a package, such as "git"/,
  });
});

/** A manager of the consfig's own, and one that is missing: `example` is found first, since it is the consfig's. */
const recording: Recording = {
  manual: "the manager of packages of this test",
  states: {
    without: {
      "example has git": { exit: 1 },
      "example update": {},
      "example add git": { then: "with" },
    },
    with: { "example has git": {} },
  },
};

test("a manager of the consfig's own comes first", (t) =>
  onBothTargets(t, async ({ apply }) => {
    packages.managedBy({
      name: "example",
      command: "example",
      has: ["example", "has"],
      install: ["example", "add"],
      update: ["example", "update"],
    });
    const { calls } = record(t, recording);
    assert.equal(await apply(packages.installed("git")), "changed");
    assert.equal(await apply(packages.installed("git")), "unchanged");
    assert.equal(calls().filter((call) => call === "example add git").length, 1);
  }));

describe("packages on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("with apt, nothing is declared of the host", { timeout: 5 * 60_000 }, () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, packages.installed("hello", { pkgng: "no-such-package" }));
      assert.match(await side.machine.run("hello"), /Hello/);
      await holds(side, packages.installed("hello", "cron"));
    }),
  );
});
