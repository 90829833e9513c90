import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, afterEach, describe, test } from "node:test";
import { local } from "../../../lib/connection/local";
import { session } from "../../../lib/controller/session";
import { hostdeploy, hostdeployThese, localhd, localsudo } from "../../../lib/controller/shortcuts";
import { ConsfigError, InvalidArguments } from "../../../lib/model/errors";
import { defhost } from "../../../lib/model/host";
import { outline } from "../../support/outline";
import * as toy from "../../support/toy";

afterEach(() => void toy.takeDone());
after(() => session.close());

const here = execFileSync("hostname", ["-f"], { encoding: "utf8" }).trim();

describe("hostdeploy", () => {
  const web = defhost("web1.example.org", { deploy: [local()] }, toy.changes("its own"));

  test("applies the host's properties and further ones with its own hops", async () => {
    const report = await hostdeploy(web, toy.changes("more"));
    assert.deepEqual(outline(report.steps), ["changed its own", "changed more"]);
  });

  test("and several hosts", async () => {
    const { ok, reports } = await hostdeploy([web], toy.rests("more"));
    assert.equal(ok, true);
    assert.equal(reports.length, 1);
  });

  test("hostdeployThese applies only those given, also to a name", async () => {
    assert.deepEqual(outline((await hostdeployThese(web, toy.changes("more"))).steps), ["changed more"]);
    assert.deepEqual(outline((await hostdeployThese("web1.example.org", toy.rests("more"))).steps), [
      "unchanged more",
    ]);
  });

  test("hops are refused at their line", () => {
    const cases: [start: () => unknown, message: string][] = [
      [
        () => hostdeploy(web, local() as never),
        "hostdeploy: it uses the hops of the host's definition; use deploy(…) to pass others",
      ],
      [
        () => hostdeployThese(web, [local()] as never),
        "hostdeployThese: it uses the hops of the host's definition; use deployThese(…) to pass others",
      ],
    ];
    for (const [start, message] of cases) {
      assert.throws(start, (error: Error) => {
        assert.ok(error instanceof InvalidArguments);
        assert.equal(error.message, message);
        assert.match(error.stack?.split("\n")[1] ?? "", /shortcuts\.test\.ts/);
        return true;
      });
    }
  });

  test("a host without hops is refused before connecting", async () => {
    const report = await hostdeploy(defhost("bare.example.org", toy.changes("a")));
    assert.equal(report.status, "refused");
    assert.match(report.failure?.message ?? "", /^bare\.example\.org has no hops, and none were given;/);
  });
});

describe("this machine", () => {
  test("localsudo acts here as root", {
    skip: process.getuid?.() !== 0 && "it would ask for a password",
  }, async () => {
    const report = await localsudo(toy.runs("id -u"), null);
    assert.equal(report.host, here);
    assert.equal(report.steps[0]?.output, "0\n");
  });

  test("localhd needs a host with its name", () => {
    assert.throws(
      () => localhd(toy.changes("a")),
      (error: Error) => {
        assert.ok(error instanceof ConsfigError);
        assert.equal(
          error.message,
          `no host is defined for this machine, ${here}; add defhost("${here}", …) in hosts/, or use localsudo(…)`,
        );
        return true;
      },
    );
  });

  test("localhd applies the given properties to that host, with its hops and facts", async () => {
    defhost(here, { deploy: [local()] }, toy.changes("its own"), toy.states("blue"));
    const report = await localhd(toy.changes("a"));
    assert.deepEqual([report.host, outline(report.steps)], [here, ["changed a"]]);
  });
});
