import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as ccache from "../../properties/ccache";
import * as os from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Sides } from "../support/sides";

test("what is no size, and a call without limits, are refused", () => {
  assert.throws(() => ccache.hasLimits("/var/cache/c", { maxSize: "much" }), {
    name: "InvalidArguments",
    message:
      /^ccache\.hasLimits: args\.maxSize is "much"; it must be a size as in ccache\(1\), such as "2Gi"/,
  });
  assert.throws(() => ccache.hasLimits("/var/cache/c", {}), { name: "InvalidArguments" });
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(os.linux(), ccache.cacheForGroup("a"))),
    /: it needs a debianlike system, but web1 runs linux$/,
  );
});

describe("ccache on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("a cache for a group, with limits that ccache reads", { timeout: 5 * 60_000 }, () =>
    sides.both(async (side) => {
      const cache = ccache.cacheForGroup("builders", { maxSize: "3Gi", maxFiles: 1000 });
      await holdsAfterwards(side, cache);
      const directory = "/var/cache/ccache-builders";
      assert.equal(await side.machine.run(`stat -c '%U:%G %a' ${directory}`), "root:builders 2775\n");
      const read = () =>
        side.machine.run(
          `CCACHE_DIR=${directory} ccache -p | grep -E 'max_(size|files)' | sed 's/.*) //'; rm -rf ${directory}/[!c]*`,
        );
      assert.match(await read(), /^max_files = 1000\nmax_size = 3\.2 ?G\n$/);
      await holdsAfterwards(side, ccache.hasLimits(directory, { maxFiles: null }));
      assert.match(await read(), /^max_files = 0\nmax_size = 3\.2 ?G\n$/);
      await isUndone(side, cache);
      assert.equal((await side.machine.exec(`test -e ${directory}`)).exit, 1);
    }),
  );
});
