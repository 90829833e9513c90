import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as timesyncd from "../../properties/timesyncd";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

test("what is no server is refused", () => {
  assert.throws(() => timesyncd.configured(["a b"]), {
    name: "InvalidArguments",
    message:
      'timesyncd.configured: args.servers[0] is "a b"; it must be a server of time, such as "time.example.org"',
  });
});

/** A container may not set the clock; the service is played by one that says what it would ask. */
const PLAYED = `apt-get update -q && apt-get install -qy --no-install-recommends systemd-timesyncd
mkdir -p /etc/systemd/system/systemd-timesyncd.service.d
cat >/etc/systemd/system/systemd-timesyncd.service.d/test.conf <<'END'
[Unit]
ConditionCapability=
ConditionVirtualization=
END
systemctl daemon-reload`;

describe("timesyncd on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("the servers are asked", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const servers = timesyncd.configured(["192.0.2.1", "192.0.2.2"], { fallback: ["192.0.2.3"] });
        assert.deepEqual(
          (await side.apply(servers)).failures.map(({ message }) => message),
          [
            'systemd-timesyncd is not installed; put apt.installed("systemd-timesyncd") or the like before this property',
          ],
        );
        await machine.run(PLAYED);
        await holdsAfterwards(side, servers);
        const asked = () =>
          machine.run("timedatectl show-timesync -p SystemNTPServers -p FallbackNTPServers");
        assert.equal(await asked(), "SystemNTPServers=192.0.2.1 192.0.2.2\nFallbackNTPServers=192.0.2.3\n");
        const { commands } = await holds(side, servers);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await isUndone(side, servers);
        assert.doesNotMatch(await asked(), /192\.0\.2/);
      },
      { except: ["/var/log", "/var/lib", "/var/cache", "/etc/.pwd.lock"] },
    ));
});
