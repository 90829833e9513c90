import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as limits from "../../properties/limits";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

test("what pam_limits does not know is refused", () => {
  assert.throws(() => limits.configured("a b", { nofile: 1 }), {
    name: "InvalidArguments",
    message:
      'limits.configured: args.who is "a b"; it must be an account, such as "deploy", a group, such as "@admin", or "*" for everyone but root',
  });
  assert.throws(() => limits.configured("a", { nofiles: 1 } as never), {
    message: /nofiles/,
  });
  assert.throws(() => limits.configured("a", { nofile: "many" as never }), {
    message: /args\.limits\.nofile/,
  });
});

describe("limits on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("an account's own count more than those of its group and of everyone", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const nofile = (account: string) => machine.run(`su - ${account} -c 'ulimit -n; ulimit -Hn'`);
        const former = await nofile("plain");
        const own = limits.configured("plain", {
          nofile: { soft: 1111, hard: 2222 },
          core: 0,
          stack: "unlimited",
        });
        await holdsAfterwards(side, own);
        assert.equal(await nofile("plain"), "1111\n2222\n");
        assert.equal(await machine.run("su - plain -c 'ulimit -c; ulimit -s'"), "0\nunlimited\n");
        await holdsAfterwards(side, limits.configured("*", { nofile: 3333 }));
        await holdsAfterwards(side, limits.configured("@admin", { nofile: 4444 }));
        assert.equal(await nofile("plain"), "1111\n2222\n");
        assert.equal(await nofile("admin"), "4444\n4444\n");
        const { commands } = await holds(side, own);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await isUndone(side, own);
        assert.equal(await nofile("plain"), "3333\n3333\n");
        await isUndone(side, limits.configured("*", { nofile: 3333 }));
        await isUndone(side, limits.configured("@admin", { nofile: 4444 }));
        assert.equal(await nofile("plain"), former);
        assert.equal(await machine.run("ls /etc/security/limits.d"), "");
      },
      { except: ["/var/log"] },
    ));
});
