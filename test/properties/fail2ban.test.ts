import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PropApp } from "../../lib/model/property";
import * as fail2ban from "../../properties/fail2ban";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what is no jail is refused", () => {
  assert.throws(() => fail2ban.jail("a b"), {
    name: "InvalidArguments",
    message: 'fail2ban.jail: args.name is "a b"; it must be a jail, such as "sshd"',
  });
});

describe("fail2ban on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("a jail bans, and one that fail2ban does not accept is not put in place", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const sshd = fail2ban.jail("sshd", { backend: "auto", logpath: "/var/log/tries", maxretry: "2" });
        assert.deepEqual(await messages(side, sshd), [
          'AbortedChange: fail2ban is not installed; put apt.installed("fail2ban") or the like before this property',
        ]);
        await machine.run(
          "touch /var/log/tries; apt-get update -q && apt-get install -qy --no-install-recommends fail2ban nftables",
        );
        await holdsAfterwards(side, sshd);
        assert.match(await machine.run("fail2ban-client get sshd maxretry"), /^2$/m);
        const { commands } = await holds(side, sshd);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        const refused = await messages(side, fail2ban.jail("nope", { filter: "nope" }));
        assert.deepEqual(refused, [
          "AbortedChange: `fail2ban-client -t` refuses the new content of /etc/fail2ban/jail.d/nope.local, so it was not written; correct it:\nFound no accessible config files for 'filter.d/nope' under /etc/fail2ban\nUnable to read the filter 'nope'\nErrors in jail 'nope'.",
        ]);
        await machine.run("printf '[sshd]\\nenabled = false\\n' >/etc/fail2ban/jail.d/defaults-debian.conf");
        await isUndone(side, sshd);
        assert.match(await machine.run("fail2ban-client status"), /Number of jail:\s+0/);
      },
      {
        except: [
          "/var/log",
          "/var/lib",
          "/var/cache",
          "/usr/lib/python3",
          "/usr/share",
          "/etc/nftables.conf",
        ],
      },
    ));
});
