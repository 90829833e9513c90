import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as chrony from "../../properties/chrony";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

/** A container may not set the clock: chronyd runs without doing so. */
const WITHOUT_CLOCK = `mkdir -p /etc/systemd/system/chrony.service.d
printf '[Unit]\\nConditionCapability=\\n' >/etc/systemd/system/chrony.service.d/test.conf
sed -i 's/^DAEMON_OPTS=.*/DAEMON_OPTS="-F 0 -x"/' /etc/default/chrony
systemctl daemon-reload; systemctl restart chrony`;

describe("chrony on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const ours = (...lines: string[]) => chrony.configured("ours", lines);

  test("directives are judged, and used", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const failures = async (application: ReturnType<typeof ours>) =>
          (await side.apply(application)).failures.map(({ name, message }) =>
            `${name}: ${message}`.replace(/^\S+Z /gm, ""),
          );
        assert.deepEqual(await failures(ours("server 192.0.2.1")), [
          'AbortedChange: chrony is not installed; put apt.installed("chrony") or the like before this property',
        ]);
        await machine.run("apt-get update -q && apt-get install -qy --no-install-recommends chrony");
        await machine.run(WITHOUT_CLOCK);
        await holdsAfterwards(side, ours("server 192.0.2.1 iburst"));
        assert.match(await machine.run("chronyc -n -c sources"), /,192\.0\.2\.1,/);
        const { commands } = await holds(side, ours("server 192.0.2.1 iburst"));
        if (side.kind === "agent") assert.deepEqual(commands, []);
        assert.deepEqual(await failures(ours("makestep 1 3", "sever 192.0.2.1")), [
          "AbortedChange: `chronyd -p -f %s` refuses the new content of /etc/chrony/conf.d/ours.conf, so it was not written; correct it:\nFatal error : Invalid directive at line 2 in file /etc/chrony/conf.d/ours.conf\nmakestep 1 3\nsever 192.0.2.1",
        ]);
        await isUndone(side, ours("server 192.0.2.1 iburst"));
        assert.doesNotMatch(await machine.run("chronyc -n -c sources"), /,192\.0\.2\.1,/);
      },
      { except: ["/var/log", "/var/lib", "/var/cache"] },
    ));
});
