import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { local, localConnection } from "../../../lib/connection/local";
import { controllerArtifacts } from "../../../lib/controller/artifacts";
import { ConnectionPool } from "../../../lib/controller/pool";
import type { Connection } from "../../../lib/model/connection";
import { Cancelled, ConnectionFailed } from "../../../lib/model/errors";
import type { Progress } from "../../../lib/model/events";
import { defhop, type HopContext } from "../../../lib/model/hop";
import { HostModel } from "../../../lib/model/host";
import { object, string } from "../../../lib/model/schema";

/** The connection events of this test. */
let log: string[] = [];
/** Cuts the link of the hop with this name. */
let cut = new Map<string, () => void>();

const link = defhop({
  name: "link",
  args: object({ name: string() }),
  call: (name: string) => ({ name }),
  open: async ({ name }, { parent }): Promise<Connection> => {
    await turn();
    if (name === "broken") throw new ConnectionFailed("via.link('broken')", "it is broken");
    log.push(`open ${name} over ${parent.description}`);
    let alive = true;
    cut.set(name, () => {
      alive = false;
    });
    return {
      ...localConnection(),
      description: name,
      get alive() {
        return alive;
      },
      close: async () => {
        log.push(`close ${name}`);
        alive = false;
      },
    };
  },
});

let pool: ConnectionPool;
let progress: Progress[];
beforeEach(() => {
  pool = new ConnectionPool();
  progress = [];
  log = [];
  cut = new Map();
});

const context = (host = "web1"): Omit<HopContext, "parent"> => ({
  artifacts: controllerArtifacts,
  host: HostModel.named(host),
  ask: undefined,
  signal: new AbortController().signal,
  progress: (event) => void progress.push(event),
});

function aborting() {
  const controller = new AbortController();
  const abort = () => controller.abort(new Cancelled("the deployment was cancelled"));
  return { signal: controller.signal, abort };
}

describe("a chain of hops", () => {
  test("is opened left to right, each hop inside the one before; the last one is used", async () => {
    const lease = await pool.lease([link("a"), link("b")], context());
    assert.equal(lease.connection.description, "b");
    assert.deepEqual(log, ["open a over via.local()", "open b over a"]);
    assert.deepEqual(
      progress.map((event) => ("hop" in event ? `${event.kind} ${event.hop}` : event.kind)),
      [
        "hop-opening via.link('a')",
        "hop-opened via.link('a')",
        "hop-opening via.link('b')",
        "hop-opened via.link('b')",
      ],
    );
  });

  test("without hops is this machine", async () => {
    const { connection } = await pool.lease([], context());
    assert.equal(connection.description, "via.local()");
  });

  test("whose opening is just being aborted is opened again for the next deployment", async () => {
    const { signal, abort } = aborting();
    const first = pool.lease([link("a"), link("b")], { ...context(), signal });
    abort();
    const second = pool.lease([link("a"), link("b")], context());
    await assert.rejects(first, new Cancelled("the deployment was cancelled"));
    assert.equal((await second).connection.description, "b");
    assert.equal((await pool.lease([link("a"), link("b")], context())).connection, (await second).connection);
  });

  test("that fails to open completely is closed, and retried the next time", async () => {
    for (const _ of [1, 2]) {
      await assert.rejects(
        pool.lease([link("a"), link("broken")], context()),
        new ConnectionFailed("via.link('broken')", "it is broken"),
      );
      assert.deepEqual(log.splice(0), ["open a over via.local()", "close a"]);
    }
    assert.deepEqual(pool.open(), []);
  });

  test("with an unknown hop is refused, listing the known ones", async () => {
    await assert.rejects(pool.lease([{ hop: "shh", args: {}, site: "" }], context()), (error: Error) =>
      /^via\.shh: there is no such hop; the hops are via\.link, via\.local\b/.test(error.message),
    );
  });
});

describe("a connection is kept", () => {
  test("and reused, also while it is in use", async () => {
    const first = await pool.lease([link("a")], context());
    const second = await pool.lease([link("a")], context());
    first.release();
    second.release();
    const third = await pool.lease([link("a")], context());
    assert.equal(first.connection, third.connection);
    assert.deepEqual(log, ["open a over via.local()"]);
    assert.deepEqual(
      progress.flatMap((event) => (event.kind === "hop-opened" ? [event.reused] : [])),
      [false, true, true],
    );
  });

  test("and opened once for simultaneous requests", async () => {
    const leases = await Promise.all([1, 2, 3].map(() => pool.lease([link("a")], context())));
    assert.equal(new Set(leases.map(({ connection }) => connection)).size, 1);
    assert.deepEqual(log, ["open a over via.local()"]);
  });

  test("for one host and one chain: others have their own", async () => {
    await pool.lease([link("a")], context("web1"));
    await pool.lease([link("a")], context("web2"));
    await pool.lease([link("b")], context("web1"));
    assert.equal(log.length, 3);
    assert.deepEqual(
      pool
        .open()
        .map(({ host, hops, connection }) => `${host} ${hops.length} ${connection.description}`)
        .sort(),
      ["web1 1 a", "web1 1 b", "web2 1 a"],
    );
  });

  test("while it is alive: a dead one is closed and opened again", async () => {
    const first = await pool.lease([link("a"), link("b")], context());
    first.release();
    cut.get("a")?.();
    const second = await pool.lease([link("a"), link("b")], context());
    assert.notEqual(second.connection, first.connection);
    assert.deepEqual(log, [
      "open a over via.local()",
      "open b over a",
      "close b",
      "close a",
      "open a over via.local()",
      "open b over a",
    ]);
  });

  test("a dead one in use is closed when its last user releases it", async () => {
    const first = await pool.lease([link("a")], context());
    cut.get("a")?.();
    assert.deepEqual(pool.open(), []);
    await pool.lease([link("a")], context());
    assert.deepEqual(log, ["open a over via.local()", "open a over via.local()"]);
    first.release();
    await turn();
    assert.deepEqual(log.at(-1), "close a");
  });
});

test("close closes all, innermost first, also those in use; a later lease opens a new one", async () => {
  await pool.lease([link("a"), link("b")], context());
  (await pool.lease([link("c")], context())).release();
  log = [];
  await pool.close();
  assert.deepEqual([...new Set(log)].sort(), ["close a", "close b", "close c"]);
  assert.ok(log.indexOf("close b") < log.indexOf("close a"));
  assert.deepEqual(pool.open(), []);
  const again = await pool.lease([link("c")], context());
  assert.equal(again.connection.alive, true);
  await pool.close();
});

test("this machine is a chain like any other", async () => {
  const { connection } = await pool.lease([local()], context());
  assert.equal(connection.description, "via.local()");
});
