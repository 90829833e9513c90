import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as os from "../../properties/os";
import * as postgres from "../../properties/postgres";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what is no name, and a host that does not run Debian, are refused", () => {
  assert.throws(() => postgres.hasRole("a\nb"), {
    name: "InvalidArguments",
    message: 'postgres.hasRole: args.role is "a\\nb"; it must be the name of a role, such as "shop"',
  });
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(os.linux(), postgres.hasDatabase("shop"))),
    /: it needs a debianlike system, but web1 runs linux$/,
  );
});

describe("postgres on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  const except = ["/var/lib/postgresql", "/etc/ssl"];
  const afterwards = (side: Side, application: PropApp) => holdsAfterwards(side, application, { except });
  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const sql = (side: Side, text: string, options = "") =>
    side.machine.run(`cd /; runuser -u postgres -- psql -XtA ${options}`, { input: text });

  test("installed", { timeout: 10 * 60_000 }, () =>
    sides.both((side) => afterwards(side, postgres.installed()).then(() => {}), { except }),
  );

  test("a role that logs in to its own database", { timeout: 5 * 60_000 }, () =>
    sides.both(
      async (side) => {
        const login = postgres.userCanLogin('Shop "1"');
        const group = postgres.hasGroup('Shop "1"', "it's");
        await afterwards(
          side,
          eseqprops(
            postgres.hasRole('Shop "1"'),
            postgres.hasRole("it's"),
            postgres.hasDatabase("shop-Data"),
            postgres.databaseHasOwner("shop-Data", 'Shop "1"'),
            login,
            group,
          ),
        );
        await side.machine.run(
          "sed -i '1i local all all trust' /etc/postgresql/15/main/pg_hba.conf; systemctl reload postgresql",
        );
        const asked =
          "CREATE TABLE t (i int); SELECT current_user, pg_has_role(session_user, 'it''s', 'MEMBER')";
        assert.equal(await sql(side, asked, `-q -U 'Shop "1"' 'shop-Data'`), 'Shop "1"|t\n');
        await isUndone(side, group);
        await isUndone(side, login);
        await assert.rejects(
          sql(side, "SELECT 1", `-U 'Shop "1"' 'shop-Data'`),
          /is not permitted to log in/,
        );
      },
      { except },
    ),
  );

  test("what the server refuses fails, and says why", () =>
    sides.both(
      async (side) => {
        assert.deepEqual(await messages(side, postgres.userCanLogin("nobody here")), [
          'FailedChange: PostgreSQL refuses ALTER ROLE "nobody here" LOGIN: role "nobody here" does not exist',
        ]);
        // Stopping the unit of that name alone does not wait for the server.
        await side.machine.run("systemctl stop postgresql 'postgresql@*'");
        assert.match(
          (await messages(side, postgres.hasRole("late")))[0] ?? "",
          /^FailedChange: PostgreSQL does not answer: connection to server on socket .* failed: No such file or directory/,
        );
        await side.machine.run(
          "systemctl start postgresql; until runuser -u postgres -- psql -c '' 2>/dev/null; do sleep 0.1; done",
        );
      },
      { except },
    ));

  test("another superuser", () =>
    sides.both(
      async (side) => {
        await sql(side, "CREATE ROLE plain SUPERUSER LOGIN");
        await afterwards(side, eseqprops(postgres.superuserIs("plain"), postgres.hasDatabase("plains")));
        assert.equal(
          await sql(
            side,
            "SELECT rolname FROM pg_database JOIN pg_roles r ON datdba = r.oid WHERE datname = 'plains'",
          ),
          "plain\n",
        );
      },
      { except },
    ));
});
