import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as apt from "../../properties/apt";
import * as cmd from "../../properties/cmd";
import * as os from "../../properties/os";
import { gateway } from "../support/_network";
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

test("names with another meaning for apt-get are refused", () => {
  for (const name of ["-y", "git-", "lib*", "Git", "a b", "foo=", "foo/"]) {
    assert.throws(() => apt.installed(name), {
      name: "InvalidArguments",
      message: `apt.installed: args.names[0] is ${JSON.stringify(name)}; it must be a package, such as "git", "libc6:i386", "git=1:2.39.5-0" or "git/bookworm-backports"`,
    });
  }
  for (const name of ["g++", "libstdc++6:i386", "git=1:2.39.5-0+deb12u2~x", "git/bookworm-backports"])
    apt.installed(name);
});

test("lists of names are flattened", () => {
  assert.deepEqual(apt.installed("git", ["curl", ["wget"]]).args, { names: ["git", "curl", "wget"] });
});

test("a host that does not run Debian is refused before connecting", () => {
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
    "web1.example.org: apt.installed('git'): it needs a debianlike system, but web1.example.org runs freebsdRelease 14.1 (amd64)",
  );
  assert.equal(
    refusal(apt.standardSourcesList()),
    "web1.example.org: apt.standardSourcesList(): it needs a debian system, but web1.example.org runs freebsdRelease 14.1 (amd64)",
  );
});

test("each mirror is declared once, the newest first", () => {
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

/**
 * Sources without packages, by the paths of their URLs. A host that asks for one that ends in `busy` is first told that the
 * server is.
 * apt 2.6 of Debian 12 waits a second before it asks again, and for ever when everything else has come by then.
 */
async function overloadedOnce() {
  const asked = new Set<string>();
  const nothing = createHash("sha256").digest("hex");
  const server = createServer(({ url = "", socket }, response) => {
    const isOverloaded = /\/busy\/.*InRelease$/.test(url) && !asked.has(`${socket.remoteAddress}`);
    if (isOverloaded) asked.add(`${socket.remoteAddress}`);
    const found = url.endsWith("/Release");
    response.writeHead(isOverloaded ? 503 : found ? 200 : 404);
    response.end(found ? `Date: Mon, 30 Nov 2026 00:00:00 UTC\nSHA256:\n ${nothing} 0 Packages\n` : "");
  });
  await once(server.listen(0, gateway), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Locks the file in its argument for a second, as apt does. */
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

  test("a check runs no command in the agent, and one over a shell, which first lists the packages", async () => {
    for (const side of sides.each) {
      const { commands } = await holds(
        side,
        eseqprops(apt.installed("hello"), apt.installed("cron"), apt.removed("vim")),
      );
      assert.equal(commands.filter((command) => !command.includes("/var/lib/dpkg/status")).length, 0);
      assert.equal(
        commands.filter((command) => command.includes("dpkg-query")).length,
        side.kind === "agent" ? 0 : 1,
      );
      assert.equal(commands.length, side.kind === "agent" ? 0 : 4);
    }
  });

  test("a package that dpkg was interrupted in does not count as installed", () =>
    sides.both(async (side) => {
      const stanza = "dpkg-query -s hello | sed 's/^Status: .*/Status: install reinstreq half-installed/'";
      await side.machine.run(`${stanza} >/var/lib/dpkg/updates/0001`);
      assert.equal((await side.check(apt.installed("hello"))).holds, false);
      await side.machine.run("rm /var/lib/dpkg/updates/0001");
      await holds(side, apt.installed("hello"));
    }));

  test("updated fails when a source cannot be reached", () =>
    sides.both(async (side) => {
      const file = "/etc/apt/sources.list.d/unreachable.list";
      await side.machine.run(`echo 'deb [trusted=yes] http://127.0.0.1:9 stable main' >${file}`);
      const [message = ""] = await messages(side.apply(apt.updated()));
      assert.match(
        message,
        /^FailedChange: apt could not update the lists of every source: Failed to fetch http:\/\/127\.0\.0\.1:9\/dists\/stable\/InRelease .*; correct the source, or its network/,
      );
      await side.machine.run(`rm ${file}`);
    }));

  test("updated goes on when a mirror was overloaded for a moment", async () => {
    await using mirror = await overloadedOnce();
    await sides.both(async (side) => {
      const source = (name: string) => `deb [trusted=yes] http://${gateway}:${mirror.port}/${name}/ ./\n`;
      await side.machine.run(
        `mv /etc/apt/sources.list /root; cat >/etc/apt/sources.list; echo 'Acquire::Retries::Delay "true";' >/etc/apt/apt.conf.d/zz`,
        { input: source("busy") + source("idle") },
      );
      const { output } = await side.apply(apt.updated());
      assert.match(output, /^Get:\d+ http:\S+\/busy \.\/ Release$/m);
      await side.machine.run("mv /root/sources.list /etc/apt; rm /etc/apt/apt.conf.d/zz; apt-get -qq update");
    });
  });

  test("an automatically installed package is marked as manual", () =>
    sides.both(async (side) => {
      await side.machine.run("apt-mark auto hello");
      const { commands } = await holdsAfterwards(side, apt.installed("hello"));
      assert.equal(commands.filter((command) => command.startsWith("apt-get")).length, 0);
      assert.ok((await manual(side)).includes("hello"));
    }));

  test("removed: missing and unknown packages are not passed to apt-get", () =>
    sides.both(async (side) => {
      const { commands } = await holdsAfterwards(side, apt.removed("hello", "no-such-package", "vim"));
      const removes = commands.filter((command) => /apt-get .* remove/.test(command));
      assert.deepEqual(
        removes.map((command) => command.replace(/^.* (?=-y)/, "")),
        ["-y remove hello"],
      );
    }));

  test("an installation in between is detected", () =>
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

  test("an error names a package that apt does not know", () =>
    sides.both(async (side) => {
      const before = await side.machine.run("cksum /var/lib/dpkg/status");
      assert.deepEqual(await messages(side.apply(apt.installed("hello", "no-such-package"))), [
        'AbortedChange: apt on web1.example.org finds no package "no-such-package", even after an update; correct the name, or put the source that provides it before this property',
      ]);
      assert.equal(await side.machine.run("cksum /var/lib/dpkg/status"), before);
    }));

  test("missing or old lists are updated, and the installation is retried", () =>
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

  test("updated: changed when the lists differ", () =>
    sides.both(async (side) => {
      await side.machine.run("rm -f /var/lib/apt/lists/*Packages* /var/lib/apt/lists/*InRelease");
      assert.equal((await succeeds(side.apply(apt.updated()))).change, "changed");
      assert.equal((await succeeds(side.apply(apt.updated()))).change, "unchanged");
    }));

  test("waits while another process holds a lock", () =>
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

  test("standardSourcesList: conflicting files are moved away, others stay", () =>
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

  test("only a change needs root, and the error says so", async () => {
    const ordinary = await bootSides({ user: "plain" });
    try {
      for (const side of ordinary.each) {
        await holds(side, apt.installed("cron"));
        assert.deepEqual(await messages(side.apply(apt.installed("hello"))), [
          'AbortedChange: apt.installed needs root, but the connected user is "plain"; add via.sudo() to the hops, or connect as root',
        ]);
      }
    } finally {
      await ordinary.stop();
    }
  });
});
