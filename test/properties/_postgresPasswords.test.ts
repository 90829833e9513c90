/** A password that is data of the consfig: it lets its role in, and neither logs nor events have it. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { unapplied } from "../../lib/combinators";
import { plan } from "../../lib/controller/deploy";
import { registerDataSource } from "../../lib/data/register";
import { filesTree } from "../../lib/data/sources";
import { dataSources } from "../../lib/model/data-source";
import { defhost, hosts } from "../../lib/model/host";
import * as via from "../../lib/via";
import { debianStable } from "../../properties/os";
import * as postgres from "../../properties/postgres";
import { assertOk, eventsOf, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";

const HOST = "web1.example.org";

describe("passwords of roles of PostgreSQL", needsMachines(), () => {
  let on: Rig;
  const passwords = [`it's "one" \\ %`, "canary-7d1f0c52"] as const;
  const properties = [
    debianStable("bookworm", "amd64"),
    postgres.hasRole("shop"),
    postgres.userCanLogin("shop"),
    postgres.userHasPassword("shop", { data: ["shop", "database"] }),
  ];
  const give = (password: string) => on.write({ "data/shop/database": `${password}\n` });

  before(async () => {
    on = await rig({ withDependencies: true });
    on.write({ [`data/--postgres-passwd--${HOST}/late`]: "naïve" });
    give(passwords[0]);
    registerDataSource(filesTree(path.join(on.consfig, "data")));
    assertOk(await on.deploy([debianStable("bookworm", "amd64"), postgres.installed()], [on.ssh()]));
    await on.machine.run(
      `runuser -u postgres -- psql -qc "ALTER SYSTEM SET log_statement = 'all'" -c 'SELECT pg_reload_conf()'`,
    );
  }, untilBaseIsBuilt);
  after(async () => {
    dataSources.restore(new Map());
    await on?.stop();
  });

  /** What psql says over TCP, where the server asks for the password. */
  const login = async (password: string): Promise<string> => {
    const command = `read -r PGPASSWORD; export PGPASSWORD; psql -h 127.0.0.1 -U shop -tAc 'SELECT current_user' postgres`;
    const { stdout, stderr } = await on.machine.exec(command, { input: `${password}\n` });
    return stdout || stderr;
  };

  for (const kind of ["shell", "agent"] as const)
    test(`${kind}: set, changed with the data, and taken away`, { timeout: 3 * 60_000 }, async () => {
      const hops = kind === "agent" ? [on.ssh(), via.agent()] : [on.ssh()];
      for (const password of passwords) {
        give(password);
        const planned = await plan(defhost(HOST, ...properties), ...hops);
        hosts.restore(new Map());
        assert.equal(planned.status, "changed");
        const deployment = on.deploy(properties, hops);
        const events = eventsOf(deployment);
        assertOk(await deployment);
        assert.equal(await login(password), "shop\n");
        assert.equal((await on.deploy(properties, hops)).status, "unchanged");
        const log = await on.machine.run("cat /var/log/postgresql/*.log");
        assert.match(log, /ALTER ROLE "shop" PASSWORD 'SCRAM-SHA-256\$/);
        assert.ok(!`${log}${JSON.stringify([planned, events])}`.includes(password), password);
      }
      const gone = [debianStable("bookworm", "amd64"), unapplied(postgres.userHasPassword("shop"))];
      assert.equal((await on.deploy(gone, hops)).status, "changed");
      assert.match(await login(passwords[1]), /password authentication failed for user "shop"/);
      assert.equal((await on.deploy(gone, hops)).status, "unchanged");
    });

  test("a role that is missing, and what clients send differently, are refused", async () => {
    const messages = async (user: string, data?: [string, string]) => {
      const application = postgres.userHasPassword(user, data ? { data } : {});
      const { failed } = await on.deploy([debianStable("bookworm", "amd64"), application], [on.ssh()]);
      return failed.map(({ failure }) => `${failure?.name}: ${failure?.message}`);
    };
    assert.deepEqual(await messages("nobody", ["shop", "database"]), [
      'FailedChange: PostgreSQL refuses a password of "nobody": role "nobody" does not exist',
    ]);
    assert.deepEqual(await messages("late"), [
      "AbortedChange: the data (--postgres-passwd--web1.example.org, late) is not a password of ASCII characters on one line, which is what all clients of PostgreSQL send alike; correct it where it comes from",
    ]);
    assert.throws(() => postgres.userHasPassword("shop", { data: ["one", ""] }), {
      name: "InvalidArguments",
      message: 'postgres.userHasPassword: args.data[1] is ""; it must not be empty',
    });
  });
});
