import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as container from "../../properties/container";
import * as hostname from "../../properties/hostname";
import * as hosts from "../../properties/hosts";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides, succeeds } from "../support/sides";

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

test("a host without a domain is searched in none", () => {
  assert.throws(() => prepare({ name: "web1" }, hostname.searchConfigured()), {
    message: /web1 has no domain in its name; name one, as in hostname\.searchConfigured\("example\.org"\)$/,
  });
  prepare({ name: "web1" }, hostname.searchConfigured("example.org"));
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
        "hostname former; echo former > /etc/hostname; printf '127.0.0.1 localhost loop # mine\\n127.0.1.1 alias\\n192.0.2.1\\tother\\n' > /etc/hosts",
      );
      await holdsAfterwards(side, hostname.configured());
      assert.equal(
        await side.machine.run("hostname; hostname -f; cat /etc/hostname"),
        "web1\nweb1.example.org\nweb1\n",
      );
      assert.equal(
        await side.machine.run("cat /etc/hosts"),
        "127.0.0.1 localhost loop # mine\n127.0.1.1 web1.example.org web1 alias\n192.0.2.1\tother\n",
      );
      const { commands } = await holds(side, hostname.configured());
      assert.deepEqual(commands, []);
    }));

  test("hosts.has", () =>
    sides.both(async (side) => {
      const db = hosts.has("192.0.2.7", "db.example.org", "db");
      await side.machine.run("printf '192.0.2.7 shop # kept\\n' >> /etc/hosts");
      const before = await side.machine.run("cat /etc/hosts");
      await holdsAfterwards(side, db);
      assert.match(await side.machine.run("getent hosts db"), /^192\.0\.2\.7 +db\.example\.org db shop$/m);
      await isUndone(side, db);
      assert.equal(await side.machine.run("cat /etc/hosts"), before);
    }));

  test("another name, without a domain", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, hostname.configured("db"));
      assert.equal(await side.machine.run("hostname; cat /etc/hostname"), "db\ndb\n");
    }));

  test("the name that mail comes from", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, hostname.mailnameConfigured());
      await holdsAfterwards(side, hostname.mailnameConfigured("example.org"));
      assert.equal(await side.machine.run("cat /etc/mailname"), "example.org\n");
      await isUndone(side, hostname.mailnameConfigured("example.org"));
    }));

  test("domains of short names", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(
        "printf 'nameserver 192.0.2.1\\ndomain old.example\\noptions edns0\\nsearch older.example\\n' >/srv/resolv && mv /srv/resolv /etc/resolv.conf",
      );
      await holdsAfterwards(side, hostname.searchConfigured());
      const two = hostname.searchConfigured("example.org", "internal.example.org");
      await holdsAfterwards(side, two);
      assert.equal(
        await machine.run("cat /etc/resolv.conf"),
        "nameserver 192.0.2.1\nsearch example.org internal.example.org\noptions edns0\n",
      );
      await isUndone(side, two);
      await machine.run("ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf");
      const { failures } = await side.apply(two);
      assert.deepEqual(
        failures.map(({ name, message }) => `${name}: ${message}`),
        [
          "AbortedChange: /etc/resolv.conf is a link to ../run/systemd/resolve/stub-resolv.conf, which another program writes; let systemd-resolved have it with Domains= in /etc/systemd/resolved.conf.d, or make it a file first",
        ],
      );
    }));

  test("in a container that does not contain its host name, the running name stays", () =>
    sides.both(async (side) => {
      const inside = eseqprops(container.contained("filesystem"), hostname.configured("inner.example.org"));
      const { steps } = await succeeds(side.apply(inside));
      assert.ok(steps.includes("hostname inner: skipped (not contained: hostname)"), steps.join("\n"));
      assert.equal(await side.machine.run("hostname; cat /etc/hostname"), "db\ninner\n");
    }));
});
