import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { eseqpropsUntil, ignoringHostattrs, seqprops } from "../../../lib/combinators";
import { as as viaAs } from "../../../lib/connection/as";
import { local } from "../../../lib/connection/local";
import { prepare } from "../../../lib/engine/prepare";
import { appliedAnywhere, declarationsOf, requiredBy } from "../../../lib/model/application";
import { ConnectionFailed } from "../../../lib/model/errors";
import { defhost } from "../../../lib/model/host";
import { defprop, type MaybePropApp, type PropApp } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { deploys, deploysThese, reconnects } from "../../../lib/nested/deploys";
import { makeChildHost, replacePropspecIntoHost } from "../../../lib/nested/make-host";
import { applied, assertApplied } from "../../support/applying";
import * as toy from "../../support/toy";

const asked: string[] = [];
beforeEach(() => {
  asked.length = 0;
  toy.takeDone();
});

/** Declares that the host is a `what`; every host is a "lamp". */
const is = defprop({
  name: "test.is",
  kind: "posix",
  args: object({ what: string() }),
  call: (what: string) => ({ what }),
  desc: ({ what }) => `is a ${what}`,
  hostattrs: () => {},
  mismatch: async ({ what }, target) => {
    asked.push(what);
    if (what === "stranger") throw new TypeError("it cannot be asked");
    if (what === "ghost") throw new ConnectionFailed("via.ssh()", "the connection was lost");
    return what === "lamp" ? undefined : `${target.host.name} is declared to be a ${what}, but it is a lamp`;
  },
});

describe("what is declared of a host is compared with it", () => {
  test("before the first step, which happens only when it is so", async () => {
    assertApplied(await applied(seqprops(toy.changes("a"), is("lamp"))), {
      change: "changed",
      steps: ["changed a", "unchanged is a lamp"],
      done: ["a"],
    });
    assert.deepEqual(asked, ["lamp"]);
  });

  test("otherwise one step fails, at the site of the declaration, and all others are skipped", async () => {
    const declaration = is("table");
    const result = await applied(seqprops(toy.changes("a"), declaration, toy.changes("b")));
    assertApplied(result, {
      change: "unchanged",
      failed: true,
      steps: [
        "failed declared: is a table: AbortedChange: web1 is declared to be a table, but it is a lamp",
        "skipped a (the host is not as declared)",
        "skipped is a table (the host is not as declared)",
        "skipped b (the host is not as declared)",
      ],
      done: [],
    });
    const [first] = result.events.filter((event) => event.kind === "step-started");
    assert.equal(first?.site, declaration.site);
  });

  test("the newest declaration first; a second false one is not asked for", async () => {
    const { failed } = await applied(seqprops(is("chair"), is("table"), is("lamp")));
    assert.equal(failed, true);
    assert.deepEqual(asked, ["lamp", "table"]);
  });

  test("an error in the property is a failure like a false declaration", async () => {
    assertApplied(await applied(seqprops(is("stranger"), toy.changes("a"))), {
      change: "unchanged",
      failed: true,
      steps: [
        "failed declared: is a stranger: AbortedChange: cannot be compared with the host: TypeError: it cannot be asked",
        "skipped is a stranger (the host is not as declared)",
        "skipped a (the host is not as declared)",
      ],
      done: [],
    });
  });

  test("a lost connection is no answer", async () => {
    await assert.rejects(applied(seqprops(is("ghost"), toy.changes("a"))), {
      name: "ConnectionFailed",
      message: "via.ssh(): the connection was lost",
    });
  });

  test("a deployment that was stopped before it asks nothing", async () => {
    const { cancelled } = await applied(seqprops(is("table")), { stopped: () => "it was stopped" });
    assert.equal(cancelled, true);
    assert.deepEqual(asked, []);
  });

  test("a fact that is ignored is not compared", async () => {
    await applied(ignoringHostattrs(is("table")));
    assert.deepEqual(asked, []);
  });
});

describe("the declarations of nested deployments", () => {
  /** The names of what is declared of the hosts of the deployment, the outermost host first. */
  const declared = (...applications: MaybePropApp[]): string[][] => {
    const { application, model } = prepare({ name: "web1" }, seqprops(...applications));
    const nested = [...appliedAnywhere(application)].flatMap((each) =>
      each.nested ? [each.nested.host] : [],
    );
    return [model.toJSON(), ...nested].map((host) =>
      declarationsOf(host).map(({ args }) => (args as { what: string }).what),
    );
  };

  test("on the same host they are those of that host, and are compared there only", () => {
    assert.deepEqual(declared(is("lamp"), reconnects(viaAs("ana"), toy.changes("a"), is("light"))), [
      ["light", "lamp"],
      [],
    ]);
  });

  test("another host, and one inside this one, has its own", () => {
    const other = defhost("other.example.org", { deploy: [local()] }, is("table"));
    const child = makeChildHost({ name: "child.example.org" }, is("chair"));
    assert.deepEqual(declared(is("lamp"), deploys(other), deploys(child, local())), [
      ["lamp"],
      ["table"],
      ["chair"],
    ]);
  });

  test("the usual ones count when other properties are applied, and their code is sent", () => {
    const usual = defhost("usual.example.org", { deploy: [local()] }, is("table"));
    const these = deploysThese(usual, toy.changes("a"));
    assert.deepEqual(declared(these), [[], ["table"]]);
    const replaced = replacePropspecIntoHost(usual, toy.changes("a"));
    const { application, model, properties } = prepare(replaced, seqprops(...replaced.applications));
    assert.deepEqual(
      declarationsOf(model.toJSON()).map(({ property, site }: PropApp) => [property, site]),
      [["test.is", usual.applications[0]?.site]],
    );
    assert.deepEqual([...properties], ["seqprops", "toy.changes", "test.is"]);
    const [needed] = requiredBy({
      hops: [],
      host: prepare({ name: "web1" }, these).model.toJSON(),
      application,
    });
    assert.deepEqual([...needed], ["seqprops", "toy.changes"]);
  });

  test("a combinator that expects the error continues after it", async () => {
    const nested = eseqpropsUntil("AbortedChange", is("table"));
    const { failed } = await applied(seqprops(nested), { expected: ["AbortedChange"] });
    assert.equal(failed, false);
  });
});
