/** Plans of several properties at once, on real hosts; after each, the properties are applied, and the plan must come true. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { eseqprops, onChange } from "../../lib/combinators";
import * as library from "../../lib/index";
import type { PropApp } from "../../lib/model/property";
import * as properties from "../../properties";
import { apt, file, systemd, user } from "../../properties";
import { needsMachines } from "../support/machines";
import { bootSides, type Side, type Sides, succeeds } from "../support/sides";

/** `<answer> <desc>` of each step of a plan. */
const answers = async (side: Side, application: PropApp): Promise<string[]> =>
  (await side.plan(application)).steps.map(
    ({ desc, status, plan }) => `${plan?.answer ?? status}${plan?.open ? " …" : ""} ${desc}`,
  );

describe("plans on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  /** A test over both sides: what is planned, and then comes true. */
  const planned = (name: string, application: () => PropApp, expected: string[]): void => {
    test(name, async () => {
      for (const side of sides.each) {
        assert.deepEqual(await answers(side, application()), expected, side.kind);
        await succeeds(side.apply(application()));
      }
    });
  };

  planned(
    "a package is removed and added in one run",
    () => eseqprops(apt.removed("cron"), apt.installed("cron")),
    ["would change not installed: cron", "would change installed: cron"],
  );

  planned(
    "a handler runs because of a planned change",
    () =>
      eseqprops(
        onChange(
          file.hasContent("/etc/default/cron", ["EXTRA_OPTS='-L 4'"]),
          systemd.restarted("cron.service"),
        ),
        onChange(file.hasMode("/etc/passwd", 0o644), systemd.restarted("ssh.service")),
      ),
    [
      "would change content of /etc/default/cron",
      "would change cron.service restarted",
      "holds /etc/passwd has mode 0644",
    ],
  );

  planned(
    "a later step is about a file that an earlier one creates",
    () =>
      eseqprops(
        file.hasContent("/etc/shop/shop.conf", ["port = 80"]),
        file.containsLines("/etc/shop/shop.conf", "name = shop"),
        file.hasMode("/etc/shop/shop.conf", 0o640),
        file.containsLines("/etc/shop/shop.conf", "port = 80"),
      ),
    [
      "would change content of /etc/shop/shop.conf",
      "would change /etc/shop/shop.conf contains name = shop",
      "would change /etc/shop/shop.conf has mode 0640",
      "holds /etc/shop/shop.conf contains port = 80",
    ],
  );

  planned(
    "a package brings the file that is edited next",
    () =>
      eseqprops(
        apt.installed("logrotate"),
        file.containsLines("/etc/logrotate.conf", "# of the shop"),
        file.containsLines("/etc/shop/shop.conf", "port = 80"),
      ),
    [
      "would change installed: logrotate",
      "depends /etc/logrotate.conf contains # of the shop",
      "holds /etc/shop/shop.conf contains port = 80",
    ],
  );

  planned(
    "a user who is created earlier owns a file",
    () =>
      eseqprops(
        user.hasAccount("shop"),
        file.hasOwnership("/etc/shop/shop.conf", { user: "shop", group: "shop" }),
        user.hasGroups("shop", "adm"),
      ),
    [
      "would change account shop",
      "would change /etc/shop/shop.conf belongs to shop:shop",
      "would change shop is in adm",
    ],
  );
});

/** The calls that the doc comments of the properties show. */
function examples(): [code: string, application: PropApp][] {
  const scope = { ...library, ...properties };
  const directory = path.join(__dirname, "../../properties");
  return readdirSync(directory)
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [
      ...readFileSync(path.join(directory, name), "utf8").matchAll(
        /^ \* @example ([^@]*?)(?=\n \*\/|\n \* @|\n \*$)/gm,
      ),
    ])
    .map(([, text = ""]) => text.replace(/^ \* ?/gm, ""))
    .flatMap((code) => {
      // Only what is said in one expression, about nothing that is defined elsewhere.
      const called = new Function(...Object.keys(scope), `return (${code})`);
      const value = orNothing(() => called(...Object.values(scope)));
      return isApplication(value) ? [[code, value] as [string, PropApp]] : [];
    });
}

/** Undefined when `make` names what its example does not define, such as a host. */
function orNothing(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

/** What `plan` says of each step; "refused" for a property that does not fit the host of these tests. */
async function orRefused(plan: () => Promise<{ readonly steps: unknown } | undefined>): Promise<unknown> {
  try {
    return (await plan())?.steps;
  } catch (error) {
    if (error instanceof library.InapplicableProperty || (error as Error).name === "Refused")
      return "refused";
    throw error;
  }
}

const isApplication = (value: unknown): value is PropApp =>
  typeof value === "object" && value !== null && "property" in value && "args" in value;

describe("questions write nothing", needsMachines(), () => {
  let writable: Sides;
  let readOnly: Sides;
  before(async () => {
    [writable, readOnly] = await Promise.all([bootSides(), bootSides(undefined, { readOnly: true })]);
  });
  after(() => Promise.all([writable?.stop(), readOnly?.stop()]));

  test("each property of the library has the same plan where every file system is read-only", async () => {
    const all = examples();
    assert.ok(all.length > 60, `${all.length} examples`);
    const refused: string[] = [];
    for (const [index, side] of readOnly.each.entries()) {
      for (const [code, application] of all) {
        const plans = [writable.each[index], side].map((each) => async () => each?.plan(application));
        const [expected, actual] = await Promise.all(plans.map((plan) => orRefused(plan)));
        if (process.env["SHOW"])
          console.log(Math.round(performance.now()), side.kind, code, JSON.stringify(expected === actual));
        assert.deepEqual(actual, expected, `${code}, ${side.kind}`);
        if (expected === "refused") refused.push(code);
      }
    }
    assert.ok(refused.length < all.length / 3, `refused before anything was asked: ${refused.join("\n")}`);
  });

  test("an act there fails, and was not foreseen to", async () => {
    for (const side of readOnly.each)
      await assert.rejects(
        side.apply(file.hasContent("/etc/read-only", ["x"])),
        /the plan was right/,
        side.kind,
      );
  });
});
