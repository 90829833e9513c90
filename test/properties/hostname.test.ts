import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as container from "../../properties/container";
import * as hostname from "../../properties/hostname";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Sides, succeeds } from "../support/sides";

test("the newest name is the name of the host", () => {
  const model = (...applications: Parameters<typeof eseqprops>) =>
    prepare({ name: "web1.example.org" }, eseqprops(...applications)).model;
  assert.equal(model(hostname.is("build.example.org")).name, "build.example.org");
  assert.equal(model(hostname.configured("db.example.org")).name, "db.example.org");
  assert.equal(model(hostname.configured()).name, "web1.example.org");
});

test("an invalid name is refused", () => {
  assert.throws(() => hostname.configured("db_1"), {
    message: 'hostname.configured: args.name is "db_1"; it must be a host name',
  });
});

describe("hostname on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("configured", () =>
    sides.both(async (side) => {
      await side.machine.run(
        "hostname former; echo former > /etc/hostname; printf '127.0.0.1 localhost\\n192.0.2.1\\tother\\n' > /etc/hosts",
      );
      await holdsAfterwards(side, hostname.configured());
      assert.equal(
        await side.machine.run("hostname; hostname -f; cat /etc/hostname"),
        "web1\nweb1.example.org\nweb1\n",
      );
      assert.match(await side.machine.run("cat /etc/hosts"), /^127\.0\.1\.1\tweb1\.example\.org web1$/m);
      const { commands } = await holds(side, hostname.configured());
      assert.deepEqual(commands, []);
    }));

  test("another name, without a domain", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, hostname.configured("db"));
      assert.equal(await side.machine.run("hostname; cat /etc/hostname"), "db\ndb\n");
    }));

  test("in a container that does not contain its host name, the running name stays", () =>
    sides.both(async (side) => {
      const inside = eseqprops(container.contained("filesystem"), hostname.configured("inner.example.org"));
      const { steps } = await succeeds(side.apply(inside));
      assert.ok(steps.includes("hostname inner: skipped (not contained: hostname)"), steps.join("\n"));
      assert.equal(await side.machine.run("hostname; cat /etc/hostname"), "db\ninner\n");
    }));
});
