import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { runInThisContext } from "node:vm";
import { agent } from "../../../lib/agent/client/hop";
import { eseqprops, onChange, unapplied } from "../../../lib/combinators";
import { local } from "../../../lib/connection/local";
import { sandbox } from "../../../lib/connection/sandbox";
import { sudo } from "../../../lib/connection/sudo";
import { InvalidArguments } from "../../../lib/model/errors";
import type { Hop } from "../../../lib/model/hop";
import {
  attribute,
  defhost,
  type Host,
  HostModel,
  hosts,
  isApplication,
  shared,
} from "../../../lib/model/host";
import { DuplicateName, definedBy } from "../../../lib/model/registry";
import { as } from "../../../lib/nested/deploys";
import * as toy from "../../support/toy";

describe("defhost", () => {
  const a = toy.changes("a");
  const b = toy.changes("b");

  test("returns a value with name, hops and properties in order", () => {
    const deploy = [local()];
    const host = defhost("web1.example.org", { deploy, desc: "the web" }, a, b);
    assert.equal(host.name, "web1.example.org");
    assert.equal(host.desc, "the web");
    assert.deepEqual(host.deploy, deploy);
    assert.deepEqual(host.applications, [a, b]);
    assert.match(host.site, /^test\/lib\/model\/host\.test\.ts:\d+:\d+$/);
    assert.equal(hosts.get("web1.example.org"), host);
  });

  test("the value is frozen", () => {
    const deploy = [local()];
    const host = defhost("web1.example.org", { deploy }, a);
    deploy.push(sudo());
    assert.equal(host.deploy?.length, 1);
    assert.throws(() => (host.applications as (typeof a)[]).push(b), TypeError);
    assert.throws(() => Object.assign(host, { name: "other" }), TypeError);
  });

  test("options are optional, and empty values are ignored", () => {
    const cases: [name: string, host: Host][] = [
      ["no options", defhost("web1", a, b)],
      ["an empty value first", defhost("web1", false, a, null, b)],
      ["empty values in between", defhost("web1", {}, undefined, a, false, b)],
    ];
    for (const [name, host] of cases) assert.deepEqual(host.applications, [a, b], name);
    assert.equal(defhost("web1", a).deploy, undefined);
    assert.deepEqual(defhost("web1").applications, []);
  });

  const refused: [name: string, define: () => Host, message: string][] = [
    ["an invalid name", () => defhost("we b", a), 'name is "we b"; it must be a host name'],
    [
      "an unknown option",
      () => defhost("web1", { deplyo: [] } as never),
      'options has an unknown field "deplyo"; it takes "deploy", "desc"',
    ],
    [
      "hops that are not in a list",
      () => defhost("web1", { deploy: local() } as never),
      'options.deploy is {"hop":"local","args":{},"site":"SITE","code":"via.…; it must be a list',
    ],
    [
      "hops that cannot follow each other",
      () => defhost("web1", { deploy: [agent(), agent(), local()] as Hop[] }),
      "via.agent() follows via.agent(), which is already an agent; remove one of them; via.local() must be the first hop: it means the machine you are working on",
    ],
    [
      "a hop that was not called",
      () => defhost("web1", { deploy: [local as never] }),
      'options.deploy[0] is a function; it must be a hop, such as via.ssh({ user: "root" })',
    ],
    [
      "a property that was not called",
      () => defhost("web1", a, toy.changes as never),
      'properties[1] is a function; it must be a property, such as cmd.single("true")',
    ],
    [
      "the same as first argument",
      () => defhost("web1", toy.changes as never),
      'properties[0] is a function; it must be a property, such as cmd.single("true")',
    ],
  ];
  for (const [name, define, message] of refused) {
    test(`refuses ${name}, at its line`, () => {
      assert.throws(define, (error: Error) => {
        assert.ok(error instanceof InvalidArguments);
        assert.equal(
          error.message.replace(/test\/lib\/model\/host[^"]+/, "SITE"),
          `defhost: ${message}`.slice(0, 200),
        );
        assert.match(error.stack?.split(/\n\s+at /)[1] ?? "", /host\.test\.ts/);
        return true;
      });
    });
  }

  test("refuses the same name in two files", () => {
    defhost("twice", a);
    assert.throws(
      () => definedBy("/consfig/hosts/other.ts", () => defhost("twice", b)),
      (error: Error) =>
        error instanceof DuplicateName && error.message.startsWith('the host "twice" is defined twice'),
    );
  });
});

describe("a host prints as the code that makes it", () => {
  const via = { local, sandbox, sudo };
  const scope = { defhost, via, toy, as, eseqprops, onChange, unapplied };
  const evaluated = (code: string) =>
    runInThisContext(`(${Object.keys(scope)}) => ${code}`, { filename: "prompt://1" })(
      ...Object.values(scope),
    ) as Host;

  test("line by line", () => {
    const host = defhost(
      "printed.example.org",
      { desc: "it's here", deploy: [via.local(), via.sudo({ user: "admin" })] },
      toy.changes("a, \nb"),
      onChange(toy.changes("c"), toy.rests("d")),
    );
    assert.equal(
      inspect(host),
      `defhost("printed.example.org", { desc: "it's here", deploy: [ via.local(), via.sudo({ user: 'admin' }) ] },
  toy.changes('a, \\nb'),
  onChange(toy.changes('c'), toy.rests('d')))`,
    );
  });

  const hostsToPrint: [name: string, host: () => Host][] = [
    ["nothing but a name", () => defhost("web1")],
    ["hops", () => defhost("web1", { deploy: [via.local()] })],
    ["properties", () => defhost("web1", toy.changes("a"), toy.rests('"b"'))],
    [
      "everything",
      () =>
        defhost(
          "web1.example.org",
          { deploy: [via.sandbox({ name: "a" }), via.sudo()], desc: 'say "hi"' },
          as("root", toy.changes("${x}`"), eseqprops(unapplied(toy.changes("\\, \n")))),
          false,
          onChange(toy.made("m", toy.changes("1"), toy.changes("2")), toy.rests("3"), toy.rests("4")),
        ),
    ],
  ];
  for (const [name, define] of hostsToPrint) {
    test(`${name}: evaluating it makes an equal host`, () => {
      const host = define();
      const again = evaluated(inspect(host));
      assert.equal(inspect(again), inspect(host));
      assert.deepEqual(withoutSites(again), withoutSites(host));
    });
  }

  test("and converts to JSON with its applications", () => {
    const host = defhost("web1", { deploy: [via.local()] }, onChange(toy.changes("a"), toy.rests("b")));
    const { applications, ...rest } = JSON.parse(JSON.stringify(host)) as Host;
    assert.deepEqual(withoutSites(rest), {
      name: "web1",
      deploy: [{ hop: "local", args: {}, code: "via.local()" }],
    });
    assert.ok(applications.every(isApplication));
    assert.deepEqual(withoutSites(applications), withoutSites(host.applications));
  });
});

describe("the facts of a host", () => {
  const colour = attribute<string>("test/colour");
  const point = attribute<{ x: number }>("test/point");

  test("are lists, newest first", () => {
    const host = HostModel.named("web1.example.org");
    assert.deepEqual(host.all(colour), []);
    assert.equal(host.newest(colour), undefined);
    host.push(colour, "red");
    host.push(colour, "green", "blue");
    assert.deepEqual(host.all(colour), ["green", "blue", "red"]);
    assert.equal(host.newest(colour), "green");
  });

  test("pushNew ignores values that exist already", () => {
    const host = HostModel.named("web1");
    host.push(point, { x: 1 });
    host.pushNew(point, { x: 2 }, { x: 1 });
    assert.deepEqual(host.all(point), [{ x: 2 }, { x: 1 }]);
  });

  test("the name is the newest hostname", () => {
    const host = HostModel.named("web1");
    assert.equal(host.name, "web1");
    host.push(shared.hostname, "web2");
    assert.equal(host.name, "web2");
    assert.deepEqual(host.all(shared.hostname), ["web2", "web1"]);
  });

  test("required data is listed once", () => {
    const host = HostModel.named("web1");
    for (const _ of [1, 2]) host.requireData("--user-passwd--web1", "root");
    host.requireData("web1", "/etc/key");
    assert.deepEqual(host.all(shared.data), [
      ["web1", "/etc/key"],
      ["--user-passwd--web1", "root"],
    ]);
  });

  test("a copy has the host's facts, and later changes are independent", () => {
    const host = HostModel.named("web1");
    host.push(colour, "red");
    const copy = host.copy();
    copy.push(colour, "blue");
    host.push(colour, "green");
    assert.deepEqual(copy.all(colour), ["blue", "red"]);
    assert.deepEqual(host.all(colour), ["green", "red"]);
  });

  test("survive JSON, with those of the parent host", () => {
    const parent = HostModel.named("machine");
    parent.push(colour, "red");
    const host = new HostModel({
      name: "box",
      attributes: { "test/colour": ["blue"] },
      parent: parent.toJSON(),
    });
    const again = new HostModel(JSON.parse(JSON.stringify(host)));
    assert.deepEqual(again.toJSON(), host.toJSON());
    assert.equal(again.newest(colour), "blue");
    assert.equal(again.parent?.newest(colour), "red");
    assert.equal(again.parent?.name, "machine");
    assert.equal(again.parent?.parent, undefined);
  });
});

/** Sites are not compared. */
const withoutSites = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner) => (key === "site" ? undefined : inner)));
