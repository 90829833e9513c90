/** A plan through every kind of hop: it touches nothing there, and comes true. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { discardSandbox } from "../../../lib/connection/sandbox";
import { deploy, plan } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import type { Hop } from "../../../lib/model/hop";
import { defhost } from "../../../lib/model/host";
import { assertStepsCameTrue, stepOutcomes } from "../../../lib/test-harness/planning";
import * as via from "../../../lib/via";
import { cmd, file } from "../../../properties";
import { needsMachines } from "../../support/machines";
import { planOutline } from "../../support/outline";
import { bootContexts, type Contexts, type Start, starts } from "./_contexts";

describe("plans through hops", needsMachines(), () => {
  let contexts: Contexts;
  before(async () => {
    contexts = await bootContexts();
  });
  after(async () => {
    await discardSandbox(`conformance-${process.pid}`).catch(() => {});
    await session.close();
    await contexts?.stop();
  });

  /** The hops from here, where those of `start` begin on the machine. */
  const hopsOf = (start: Start): Hop => {
    const { machine, config } = contexts;
    const user = start.from;
    const ssh = () => via.ssh({ user, hop: machine.address, config, identity: machine.identity });
    const hops = start.hops(contexts);
    return (user === "here" ? hops : [ssh(), ...hops]) as unknown as Hop;
  };

  for (const start of starts)
    test(start.name, async () => {
      const name = `planned-${start.name.replaceAll(/\W+/g, "-")}`;
      const host = defhost(
        "hops.example.org",
        {},
        file.hasContent(name, ["x"]),
        file.containsLines(name, "x"),
        file.hasMode(name, 0o600),
        cmd.single(`touch ${name}.done`, { creates: `${name}.done` }),
        file.doesNotExist(`${name}.done`),
      );
      const planned = await plan(host, hopsOf(start));
      assert.equal(planned.failure, undefined);
      const outline = planOutline(planned.steps).map((line) => line.replaceAll(name, "NAME"));
      assert.deepEqual(outline, [
        "would change content of NAME",
        "holds NAME contains x",
        "would change NAME has mode 0600",
        "would change … touch NAME.done",
        "depends on [touch NAME.done], now unchanged: NAME.done does not exist",
      ]);
      const again = await plan(host, hopsOf(start));
      assert.deepEqual(planOutline(again.steps), planOutline(planned.steps), "the first one touched nothing");
      const report = await deploy(host, hopsOf(start));
      assert.ok(report.ok, JSON.stringify(report.failure ?? report.failed));
      assertStepsCameTrue(stepOutcomes(planned), stepOutcomes(report));
    });
});
