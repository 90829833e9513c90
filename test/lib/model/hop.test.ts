import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { local, localConnection } from "../../../lib/connection/local";
import { sandbox } from "../../../lib/connection/sandbox";
import { sudo } from "../../../lib/connection/sudo";
import { InvalidArguments } from "../../../lib/model/errors";
import { defhop, type Hop, hopAsCode, hops, isHop } from "../../../lib/model/hop";
import { DuplicateName, definedBy } from "../../../lib/model/registry";
import { integer, json, list, object, optional, string } from "../../../lib/model/schema";

const tunnel = defhop({
  name: "tunnel",
  args: object({ to: string(), port: optional(integer()) }),
  call: (to: string, port?: number) => ({ to, ...(port !== undefined && { port }) }),
  open: async () => localConnection(),
});

describe("a hop", () => {
  test("is plain data: its name, arguments and site", () => {
    const hop = tunnel("gate", 22);
    assert.ok(isHop(hop));
    assert.deepEqual([hop.hop, hop.args], ["tunnel", { to: "gate", port: 22 }]);
    assert.match(hop.site, /^test\/lib\/model\/hop\.test\.ts:\d+:\d+$/);
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

  test("received from another process prints as it was typed, or with its arguments", () => {
    const arrived = JSON.parse(JSON.stringify(tunnel("gate"))) as Hop;
    assert.equal(hopAsCode(arrived), "via.tunnel('gate')");
    assert.equal(hopAsCode({ hop: "tunnel", args: { to: "gate" }, site: "" }), "via.tunnel({ to: 'gate' })");
  });
});

describe("invalid arguments are refused at the line that passed them", () => {
  const cases: [name: string, make: () => Hop, message: string][] = [
    [
      "too many",
      () => local({ host: "web1" } as never),
      'via.local: args has an unknown field "host"; it takes no fields',
    ],
    [
      "of the wrong type",
      () => sudo({ user: 7 } as never),
      "via.sudo: args.user is 7; it must be the name of a user or group",
    ],
    [
      "in the wrong format",
      () => sandbox({ name: "../etc" }),
      'via.sandbox: args.name is "../etc"; it must be a short name',
    ],
    ["missing", () => tunnel(undefined as never), "via.tunnel: args.to is missing"],
  ];
  for (const [name, make, message] of cases) test(name, () => refused(make, message));
});

describe("an invalid definition is refused at its line", () => {
  const right = { name: "gangway", args: object({}), open: async () => localConnection() };
  const cases: [definition: object, message: string][] = [
    [{ ...right, opne: right.open }, "unknown slot opne; did you mean open?"],
    [{ ...right, close: right.open }, "unknown slot close; the slots are call, open, enter, sees"],
    [{ ...right, open: undefined }, "it has no open; add the function that connects"],
    [{ ...right, open: true }, "open is true; it must be a function"],
    [{ ...right, agent: "yes" }, 'agent is "yes"; it must be true or false'],
    [
      { ...right, args: undefined },
      "args is undefined; it must be a schema, such as schema.object({ path: schema.path() })",
    ],
    [
      { ...right, args: undefined, enter: 1 },
      "args is undefined; it must be a schema, such as schema.object({ path: schema.path() }); enter is 1; it must be a function",
    ],
  ];
  for (const [definition, message] of cases)
    test(message, () => refused(() => defhop(definition as never), `defhop of gangway: ${message}`));

  for (const name of [undefined, "two words", ""])
    test(`the name ${JSON.stringify(name)}`, () =>
      refused(
        () => defhop({ ...right, name } as never),
        `defhop of ${name}: name is ${JSON.stringify(name)}; it must be a name such as "ssh"`,
      ));

  test("a refused definition is not registered", () => assert.equal(hops.get("gangway"), undefined));
});

describe("arguments of a hop", () => {
  const ferry = defhop({
    name: "ferry",
    args: object({ stops: list(json()) }),
    call: (...stops: unknown[]) => ({ stops }),
    open: async () => localConnection(),
  });

  test("are a frozen copy", () => {
    const stop = { name: "quay" };
    const hop = ferry(stop);
    stop.name = "elsewhere";
    assert.deepEqual(hop.args, { stops: [{ name: "quay" }] });
    assert.equal(inspect(hop), "via.ferry({ name: 'quay' })");
    const { stops } = hop.args as { stops: { name: string }[] };
    assert.throws(() => stops.push({ name: "more" }), TypeError);
    assert.throws(() => Object.assign(stops[0] ?? {}, { name: "other" }), TypeError);
  });

  test("are refused when they cannot be sent", () =>
    refused(
      () => ferry(new Date(0)),
      "via.ferry: args.stops[0] is a Date; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
    ));
});

function refused(act: () => unknown, message: string): void {
  assert.throws(act, (error: Error) => {
    assert.ok(error instanceof InvalidArguments);
    assert.equal(error.message, message);
    assert.match(error.stack?.split(/\n\s+at /)[1] ?? "", /hop\.test\.ts/);
    return true;
  });
}

test("every hop is registered under its name, which only one file may define", () => {
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

test("isHop distinguishes hops from other values", () => {
  for (const value of [undefined, null, "local", local, {}, { property: "a", args: {} }]) {
    assert.equal(isHop(value), false, inspect(value));
  }
});
