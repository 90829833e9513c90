import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { defhop, type Hop, hopAsCode, hops, isHop } from "../../../lib/connection/hop";
import { local, localConnection } from "../../../lib/connection/local";
import { sandbox } from "../../../lib/connection/sandbox";
import { sudo } from "../../../lib/connection/sudo";
import { InvalidArguments } from "../../../lib/errors";
import { DuplicateName, definedBy } from "../../../lib/registry";
import { integer, object, optional, string } from "../../../lib/schema";

const tunnel = defhop({
  name: "tunnel",
  args: object({ to: string(), port: optional(integer()) }),
  call: (to: string, port?: number) => ({ to, ...(port !== undefined && { port }) }),
  open: async () => localConnection(),
});

describe("a hop", () => {
  test("is a fact: which, with what, and the line that said it", () => {
    const hop = tunnel("gate", 22);
    assert.ok(isHop(hop));
    assert.deepEqual([hop.hop, hop.args], ["tunnel", { to: "gate", port: 22 }]);
    assert.match(hop.site, /^test\/lib\/connection\/hop\.test\.ts:\d+:\d+$/);
    assert.throws(() => Object.assign(hop, { hop: "other" }), TypeError);
    assert.deepEqual(JSON.parse(JSON.stringify(hop)), {
      hop: "tunnel",
      args: hop.args,
      site: hop.site,
      code: "via.tunnel('gate', 22)",
    });
  });

  const printed: [hop: Hop, code: string][] = [
    [local(), "via.local()"],
    [sudo(), "via.sudo()"],
    [sudo({ user: "www-data" }), "via.sudo({ user: 'www-data' })"],
    [sandbox({ name: "a" }), "via.sandbox({ name: 'a' })"],
    [tunnel("gate", 22), "via.tunnel('gate', 22)"],
  ];
  for (const [hop, code] of printed) {
    test(`prints as ${code}`, () => {
      assert.equal(inspect(hop), code);
      assert.equal(hopAsCode(hop), code);
    });
  }

  test("that arrived from elsewhere prints as it was typed, or with its arguments", () => {
    const arrived = JSON.parse(JSON.stringify(tunnel("gate"))) as Hop;
    assert.equal(hopAsCode(arrived), "via.tunnel('gate')");
    assert.equal(hopAsCode({ hop: "tunnel", args: { to: "gate" }, site: "" }), "via.tunnel({ to: 'gate' })");
  });
});

describe("arguments that do not fit are refused at the line that gave them", () => {
  const cases: [name: string, make: () => Hop, message: string][] = [
    ["too many", () => local({ host: "web1" } as never), 'via.local: args has no "host"; it takes no fields'],
    [
      "of another type",
      () => sudo({ user: 7 } as never),
      "via.sudo: args.user is 7; it must be the name of a user or group",
    ],
    [
      "of another form",
      () => sandbox({ name: "../etc" }),
      'via.sandbox: args.name is "../etc"; it must be a short name',
    ],
    ["missing", () => tunnel(undefined as never), "via.tunnel: args.to is missing"],
  ];
  for (const [name, make, message] of cases) {
    test(name, () =>
      assert.throws(make, (error: Error) => {
        assert.ok(error instanceof InvalidArguments);
        assert.equal(error.message, message);
        assert.match(error.stack?.split(/\n\s+at /)[1] ?? "", /hop\.test\.ts/);
        return true;
      }),
    );
  }
});

test("every sort of hop is known by its name, which only one file may give", () => {
  for (const name of ["local", "sandbox", "sudo", "tunnel"]) assert.equal(hops.get(name)?.name, name);
  assert.equal(hops.get("local")?.agent, undefined);
  assert.equal(tunnel.name, "tunnel");
  assert.throws(
    () =>
      definedBy("/consfig/hops.ts", () =>
        defhop({ name: "tunnel", args: object({}), open: async () => localConnection() }),
      ),
    DuplicateName,
  );
});

test("what is no hop is told from one", () => {
  for (const value of [undefined, null, "local", local, {}, { property: "a", args: {} }]) {
    assert.equal(isHop(value), false, inspect(value));
  }
});
