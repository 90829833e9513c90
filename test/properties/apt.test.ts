import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as apt from "../../properties/apt";
import * as cmd from "../../properties/cmd";
import * as os from "../../properties/os";
import { needsMachines } from "../support/machines";
import {
  bootSides,
  holds,
  holdsAfterwards,
  isUndone,
  type Side,
  type Sides,
  succeeds,
} from "../support/sides";

test("names that would mean something else to apt-get are refused", () => {
  for (const name of ["-y", "git-", "lib*", "Git", "a b", "foo=", "foo/"]) {
    assert.throws(() => apt.installed(name), {
      name: "InvalidArguments",
      message: `apt.installed: args.names[0] is ${JSON.stringify(name)}; it must be a package, such as "git", "libc6:i386", "git=1:2.39.5-0" or "git/bookworm-backports"`,
    });
  }
  for (const name of ["g++", "libstdc++6:i386", "git=1:2.39.5-0+deb12u2~x", "git/bookworm-backports"])
    apt.installed(name);
});

test("lists of names are spliced in", () => {
  assert.deepEqual(apt.installed("git", ["curl", ["wget"]]).args, { names: ["git", "curl", "wget"] });
});

test("a host that is no Debian is refused before anybody is connected to", () => {
  const host = { name: "web1.example.org" };
  const refusal = (application: Parameters<typeof prepare>[1]) => {
    try {
      prepare(host, eseqprops(os.freebsdRelease("14.1", "amd64"), application));
    } catch (error) {
      return (error as Error).message.replace(/ at \S+:\d+:\d+/, "");
    }
    return undefined;
  };
  assert.equal(
    refusal(apt.installed("git")),
    "web1.example.org: apt.installed('git'): it needs a debianlike system, and web1.example.org runs freebsdRelease 14.1 (amd64)",
  );
  assert.equal(
    refusal(apt.standardSourcesList()),
    "web1.example.org: apt.standardSourcesList(): it needs a debian system, and web1.example.org runs freebsdRelease 14.1 (amd64)",
  );
});

test("mirrors and suites are declared once each, the newest in front", () => {
  const { model } = prepare(
    { name: "web1.example.org" },
    eseqprops(
      os.debianStable("bookworm", "amd64"),
      apt.mirrors("http://a.example.org/debian"),
      apt.mirrors("http://b.example.org/debian", "http://a.example.org/debian"),
    ),
  );
  assert.deepEqual(apt.getMirrors(model), ["http://b.example.org/debian", "http://a.example.org/debian"]);
});

/** Takes the lock of the file that is its argument, the way that apt does, for a second. */
const holdLock = `use Fcntl; open(my $f, "+>>", $ARGV[0]) or die; my $l = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0);
fcntl($f, F_SETLKW, $l) or die;
open(my $h, ">", "/run/held"); sleep 1`;

describe("apt on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const manual = async (side: Side) => (await side.machine.run("apt-mark showmanual")).split("\n");
  const messages = async (applying: ReturnType<Side["apply"]>) =>
    (await applying).failures.map(({ name, message }) => `${name}: ${message}`);

  test("installed", () =>
    sides.both(async (side) => {
      const { output, commands } = await holdsAfterwards(side, apt.installed("hello", "cron"));
      assert.match(output, /Setting up hello/);
      const installs = commands.filter((command) => /apt-get .* install/.test(command));
      assert.deepEqual(
        installs.map((command) => command.replace(/^.* (?=-y)/, "")),
        ["-y install hello"],
      );
      assert.ok((await manual(side)).includes("hello"));
    }));

  test("a check starts no process in the agent, and one over a shell", async () => {
    for (const side of sides.each) {
      const { commands } = await holds(
        side,
        eseqprops(apt.installed("hello"), apt.installed("cron"), apt.removed("vim")),
      );
      assert.equal(commands.filter((command) => !command.includes("dpkg-query")).length, 0);
      assert.equal(commands.length, side.kind === "agent" ? 0 : 3);
    }
  });

  test("what was only installed for others becomes wanted for itself", () =>
    sides.both(async (side) => {
      await side.machine.run("apt-mark auto hello");
      const { commands } = await holdsAfterwards(side, apt.installed("hello"));
      assert.equal(commands.filter((command) => command.startsWith("apt-get")).length, 0);
      assert.ok((await manual(side)).includes("hello"));
    }));

  test("removed: what is not there, or unknown, is not given to apt-get", () =>
    sides.both(async (side) => {
      const { commands } = await holdsAfterwards(side, apt.removed("hello", "no-such-package", "vim"));
      const removes = commands.filter((command) => /apt-get .* remove/.test(command));
      assert.deepEqual(
        removes.map((command) => command.replace(/^.* (?=-y)/, "")),
        ["-y remove hello"],
      );
    }));

  test("an installation in between is noticed", () =>
    sides.both(async (side) => {
      const { steps } = await succeeds(
        side.apply(
          eseqprops(
            apt.removed("hello"),
            cmd.single("apt-get install -y hello"),
            apt.installed("hello"),
            apt.removed("hello"),
            apt.removed("hello"),
          ),
        ),
      );
      assert.deepEqual(
        steps.map((step) => step.split(": ").at(-1)),
        ["unchanged", "changed", "unchanged", "changed", "unchanged"],
      );
    }));

  test("a package that apt does not know is named", () =>
    sides.both(async (side) => {
      const before = await side.machine.run("cksum /var/lib/dpkg/status");
      assert.deepEqual(await messages(side.apply(apt.installed("hello", "no-such-package"))), [
        'AbortedChange: apt on web1.example.org knows no package "no-such-package", also after an update; correct the name, or put the source that has it before this property',
      ]);
      assert.equal(await side.machine.run("cksum /var/lib/dpkg/status"), before);
    }));

  test("where the lists are missing or old, they are updated and it is tried again", () =>
    sides.both(async (side) => {
      await side.machine.run("rm -rf /var/lib/apt/lists/*");
      await holdsAfterwards(side, apt.installedMinimally("hello"));
    }));

  test("autoremoved, and upgraded", () =>
    sides.both(async (side) => {
      await side.machine.run("apt-mark auto hello");
      await holdsAfterwards(side, apt.autoremoved());
      assert.equal((await side.machine.exec("test -e /usr/bin/hello")).exit, 1);
      await succeeds(side.apply(apt.upgraded()));
      await holds(side, apt.upgraded());
    }));

  test("allConfigured", () =>
    sides.both(async (side) => {
      await side.machine.run(
        "cd /root && apt-get download hello && dpkg --unpack hello_*.deb && rm hello_*.deb",
      );
      await holdsAfterwards(side, apt.allConfigured());
      await holds(side, apt.installed("hello"));
    }));

  test("updated: changed when the lists are others", () =>
    sides.both(async (side) => {
      await side.machine.run("rm -f /var/lib/apt/lists/*Packages* /var/lib/apt/lists/*InRelease");
      assert.equal((await succeeds(side.apply(apt.updated()))).change, "changed");
      assert.equal((await succeeds(side.apply(apt.updated()))).change, "unchanged");
    }));

  test("while another process has a lock, it is waited for", () =>
    sides.both(async (side) => {
      for (const lock of ["/var/lib/apt/lists/lock", "/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend"]) {
        await side.machine.run("dpkg --force-all -P hello");
        const holding = side.machine.run(`perl -e '${holdLock}' ${lock}`);
        await side.machine.run(`until test -e /run/held; do sleep 0.05; done; rm /run/held`);
        const property = lock.includes("lists") ? apt.updated() : apt.installed("hello");
        await succeeds(side.apply(property));
        await holding;
      }
    }));

  test("configuration files", () =>
    sides.both(async (side) => {
      for (const property of [apt.noPdiffs(), apt.periodicUpdates(), apt.proxy("http://127.0.0.1:3142")]) {
        await holdsAfterwards(side, property);
        await isUndone(side, property);
      }
      await side.apply(apt.periodicUpdates());
      assert.match(await side.machine.run("apt-config dump APT::Periodic::Enable"), /Enable "1";/);
    }));

  test("standardSourcesList: what says the same is set aside, what does not stays", () =>
    sides.both(async (side) => {
      await side.machine.run(
        `cd /etc/apt/sources.list.d
        echo 'deb http://deb.debian.org/debian bookworm main' > old.list
        echo 'deb https://packages.example.org/debian bookworm main' > vendor.list`,
      );
      const property = eseqprops(
        apt.additionalSuites("bookworm-proposed-updates"),
        apt.standardSourcesList(),
      );
      await holdsAfterwards(side, property);
      assert.equal(
        await side.machine.run("cd /etc/apt; ls sources.list.d sources.list.d.replaced; cat sources.list"),
        "sources.list.d:\ndebian.sources\nvendor.list\n\nsources.list.d.replaced:\nold.list\n",
      );
      await side.machine.run(
        "rm /etc/apt/sources.list.d/vendor.list; apt-cache policy; grep bookworm-proposed-updates /etc/apt/sources.list.d/debian.sources",
      );
    }));

  test("reconfigured", () =>
    sides.both(async (side) => {
      const property = apt.reconfigured(
        "tzdata",
        ["tzdata/Areas", "select", "Europe"],
        ["tzdata/Zones/Europe", "select", "Berlin"],
      );
      assert.equal((await succeeds(side.apply(property))).change, "changed");
    }));

  test("what needs root says so, and what holds needs none", async () => {
    const ordinary = await bootSides("plain");
    try {
      for (const side of ordinary.each) {
        await holds(side, apt.installed("cron"));
        assert.deepEqual(await messages(side.apply(apt.installed("hello"))), [
          'AbortedChange: apt.installed needs root, and the connection is as "plain"; add via.sudo() to the hops, or connect as root',
        ]);
      }
    } finally {
      await ordinary.stop();
    }
  });
});
