import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { onChange, seqprops } from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { InapplicableProperty, Refused } from "../../../lib/model/errors";
import { attribute, defhost, HostModel, shared } from "../../../lib/model/host";
import { defprop } from "../../../lib/model/property";
import { hostname, object } from "../../../lib/model/schema";
import { as, deploys, deploysThese } from "../../../lib/nested/deploys";
import { childrenOf, factsOf, hasHostattrs } from "../../../lib/nested/facts";
import { makeChildHost } from "../../../lib/nested/make-host";
import * as via from "../../../lib/via";
import * as toy from "../../support/toy";

const colour = attribute<string>("test/colour");

/** The host gets the newest colour of another host. */
const likes = defprop({
  name: "test.likes",
  kind: "posix",
  args: object({ other: hostname() }),
  call: (other: string) => ({ other }),
  hostattrs: ({ other }, host) => host.push(colour, `like ${factsOf(other).newest(colour) ?? "nobody"}`),
});

const prepared = (host: ReturnType<typeof defhost>) => prepare(host, seqprops(...host.applications)).model;

describe("facts of a host", () => {
  test("are recorded with hasHostattrs, the first value being the newest", () => {
    const model = prepared(
      defhost("a.example.org", hasHostattrs(colour, "red", "blue"), hasHostattrs("test/colour", "green")),
    );
    assert.deepEqual(model.all(colour), ["green", "red", "blue"]);
  });

  test("start with its name and description", () => {
    const model = prepared(defhost("a.example.org", { desc: "the first" }));
    assert.deepEqual(model.toJSON().attributes, { hostname: ["a.example.org"], desc: ["the first"] });
    assert.equal(model.newest(shared.desc), "the first");
  });

  test("without the fact there is no value", () => {
    assert.throws(() => hasHostattrs(colour), {
      message: "hasHostattrs: args.values has 0 items; it must have at least 1",
    });
  });
});

describe("facts of another host", () => {
  test("are those that its properties record", () => {
    defhost("b.example.org", hasHostattrs(colour, "red"));
    assert.equal(prepared(defhost("a.example.org", likes("b.example.org"))).newest(colour), "like red");
  });

  test("of an undefined host, only the name is known", () => {
    assert.deepEqual(factsOf("nobody.example.org").all(shared.hostname), ["nobody.example.org"]);
    assert.equal(factsOf("nobody.example.org").newest(colour), undefined);
  });

  test("two that inspect each other see the facts recorded so far", () => {
    defhost("b.example.org", hasHostattrs(colour, "red"), likes("a.example.org"));
    const a = defhost("a.example.org", hasHostattrs(colour, "blue"), likes("b.example.org"));
    assert.deepEqual(prepared(a).all(colour), ["like like blue", "blue"]);
    assert.equal(factsOf("b.example.org").newest(colour), "like like red");
  });

  test("many that all inspect each other: each is prepared once per deployed host", () => {
    let asked = 0;
    const names = Array.from({ length: 12 }, (_, index) => `many${index}.example.org`);
    const looksAround = defprop({
      name: "test.looksAround",
      kind: "posix",
      args: object({}),
      call: () => ({}),
      hostattrs: (_args, host) => {
        asked += 1;
        for (const name of names) host.pushNew(colour, ...factsOf(name).all(colour));
      },
    });
    const [first] = names.map((name) => defhost(name, hasHostattrs(colour, name), looksAround()));
    assert.ok(first);
    assert.deepEqual([...prepared(first).all(colour)].sort(), [...names].sort());
    assert.equal(asked, names.length);
    prepared(first);
    assert.equal(asked, 2 * names.length);
  });

  test("a refused one is prepared once, too", () => {
    let asked = 0;
    const refuses = defprop({
      name: "test.refusesOnce",
      kind: "posix",
      args: object({}),
      call: () => ({}),
      hostattrs: () => {
        asked += 1;
        throw new InapplicableProperty("no");
      },
    });
    defhost("b.example.org", refuses());
    const a = defhost("a.example.org", likes("b.example.org"), likes("b.example.org"));
    assert.throws(
      () => prepared(a),
      (error: Error) => error instanceof Refused && error.complaints.length === 2,
    );
    assert.equal(asked, 1);
  });

  test("one that inspects itself, too", () => {
    assert.deepEqual(prepared(defhost("a.example.org", likes("a.example.org"))).all(colour), ["like nobody"]);
  });

  test("a refused one is a complaint of the host that inspects it", () => {
    defhost("b.example.org", { property: "no.such", args: {}, site: "hosts/b.ts:1:1" });
    assert.throws(
      () => prepared(defhost("a.example.org", likes("b.example.org"))),
      (error: Error) => {
        assert.ok(error instanceof Refused);
        assert.match(
          error.message,
          /^a\.example\.org: test\.likes\('b\.example\.org'\) at test\/lib\/nested\/facts\.test\.ts:\d+:\d+: b\.example\.org: no\.such\(\{\}\) at hosts\/b\.ts:1:1: there is no property no\.such/,
        );
        return true;
      },
    );
  });
});

describe("hosts that a host deploys", () => {
  const names = (host: Parameters<typeof childrenOf>[0]): string[] =>
    childrenOf(host).map(({ name }) => name);
  const inventory = defprop({
    name: "test.inventory",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    hostattrs: (_args, host) => host.push(colour, ...names(host)),
  });
  const printer = defhost("printer.example.org", { deploy: [via.ssh()] }, hasHostattrs(colour, "grey"));
  const shelf = makeChildHost({ name: "shelf.example.org" }, hasHostattrs(colour, "oak"));
  const room = makeChildHost({ name: "room.example.org" }, deploys(shelf, via.chroot("/srv/shelf")));

  test("have their facts: those inside, others, and the hosts these deploy", () => {
    const house = defhost(
      "house.example.org",
      as("ada", onChange(deploys(room, via.chroot("/srv/room")), toy.changes("a"))),
      deploys(printer),
      deploysThese("printer.example.org", toy.changes("b")),
      as("bob", toy.changes("c")),
    );
    assert.deepEqual(names(house), ["room.example.org", "printer.example.org", "printer.example.org"]);
    assert.deepEqual(names("house.example.org"), names(house));
    const [inside, other] = childrenOf(house);
    assert.deepEqual(
      [inside?.parent?.name, other?.parent, other?.newest(colour)],
      ["house.example.org", undefined, "grey"],
    );
    assert.deepEqual(inside && childrenOf(inside).map((each) => [each.name, each.newest(colour)]), [
      ["shelf.example.org", "oak"],
    ]);
    assert.deepEqual(names(printer), []);
    assert.deepEqual(names("nobody.example.org"), []);
  });

  test("of a host being prepared, those so far; none are sent to the host", () => {
    const model = prepared(
      defhost("a.example.org", deploys(printer), inventory(), deploys(room, via.chroot("/r"))),
    );
    assert.deepEqual(model.all(colour), ["printer.example.org"]);
    assert.deepEqual(names(model), ["printer.example.org", "room.example.org"]);
    assert.deepEqual(new HostModel(JSON.parse(JSON.stringify(model))).children, []);
  });

  test("are listed once, at any depth", () => {
    const model = prepared(
      defhost("a.example.org", as("ada", as("bob", deploys(printer))), as("ada", toy.changes("a"))),
    );
    assert.deepEqual(names(model), ["printer.example.org"]);
  });

  test("of a host that cannot be prepared, the reason is thrown", () => {
    defhost("broken.example.org", toy.made("x", { property: "no.such", args: {}, site: "x:1:1" }));
    assert.throws(() => childrenOf("broken.example.org"), Refused);
  });
});
