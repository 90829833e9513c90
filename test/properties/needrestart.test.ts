import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as needrestart from "../../properties/needrestart";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

test("what is no service is refused", () => {
  assert.throws(() => needrestart.configured({ restart: "list", except: ["a b"] }), {
    name: "InvalidArguments",
    message:
      'needrestart.configured: args.except[0] is "a b"; it must be a service, such as "postgresql.service"',
  });
});

describe("needrestart on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  test("needrestart reads what was said", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const automatic = needrestart.configured({
          restart: "automatic",
          kernelHints: false,
          except: ["db@15-main.service"],
        });
        assert.deepEqual(
          (await side.apply(automatic)).failures.map(({ message }) => message),
          ['needrestart is not installed; put apt.installed("needrestart") or the like before this property'],
        );
        await machine.run("apt-get update -q && apt-get install -qy --no-install-recommends needrestart");
        await holdsAfterwards(side, automatic);
        const { commands } = await holds(side, automatic);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        const read = `perl -e 'our %nrconf; do "/etc/needrestart/conf.d/90-consfigurator.conf"; die $@ if $@; my ($unit) = grep { "db\\@15-main.service" =~ $_ } keys %{$nrconf{override_rc}}; print join " ", $nrconf{restart}, $nrconf{kernelhints}, $nrconf{override_rc}{$unit}'`;
        assert.equal(await machine.run(read), "a 0 0");
        await machine.run("needrestart -b -r l");
        await isUndone(side, automatic);
        assert.equal(await machine.run("ls /etc/needrestart/conf.d"), "README.needrestart\n");
      },
      { except: ["/var/log", "/var/lib", "/var/cache", "/etc/ssl", "/usr/lib/python3", "/usr/share/perl"] },
    ));
});
