/** Deploying a further host from a host, and what happens when the connection between them is lost. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { reopened } from "../../../../lib/agent/client/reconnect";
import { Cancellation } from "../../../../lib/model/cancellation";
import { ConnectionFailed } from "../../../../lib/model/errors";
import type { Hop } from "../../../../lib/model/hop";
import { defhost, type Host } from "../../../../lib/model/host";
import type { PropApp } from "../../../../lib/model/property";
import { deploys } from "../../../../lib/nested/deploys";
import * as via from "../../../../lib/via";
import { bootMachine, type Machine, needsMachines } from "../../../support/machines";
import { outline } from "../../../support/outline";
import { until } from "../../../support/until";
import { assertOk, eventsOf, rig as makeRig, prop, type Rig } from "../_rig";

test("a link that stays lost is given up after the last delay, with the error that it was lost with", async () => {
  const lost = new ConnectionFailed("via.ssh()", "lost");
  let attempts = 0;
  const reopen = async () => {
    attempts += 1;
    throw new ConnectionFailed("via.ssh()", "refused");
  };
  const given = reopened(lost, { reopen, cancellation: new Cancellation() }, { delays: [1, 2] });
  await assert.rejects(given, (error) => error === lost);
  assert.equal(attempts, 2);
});

describe("a host that deploys a further one", needsMachines(), () => {
  let rig: Rig;
  let second: Machine;
  before(async () => {
    rig = await makeRig();
    second = await bootMachine();
    const installKey =
      "mkdir -p -m 0700 /root/.ssh && cat >/root/.ssh/id_test && chmod 0600 /root/.ssh/id_test && ";
    await rig.machine.run(
      `${installKey} echo '${second.address} ${second.hostKey}' >>/root/.ssh/known_hosts`,
      {
        input: readFileSync(second.identity, "utf8"),
      },
    );
  });
  after(async () => {
    await second?.stop();
    await rig?.stop();
  });

  const runs = (script: string) => prop("probe.runs", script);
  const chain = (): readonly [Hop, Hop] => [
    via.ssh({ user: "root", hop: second.address, identity: "/root/.ssh/id_test" }),
    via.agent(),
  ];
  const on = (name: string, ...applications: PropApp[]): Host =>
    defhost(`${name}.example.org`, { deploy: chain() }, ...applications);
  const exists = (file: string) => existsSync(path.join(second.root, file));

  test("can deploy it twice in one deployment, with different properties", async () => {
    const report = await rig.deploy([
      deploys(on("second", runs("echo one"))),
      deploys(on("again", runs("echo two"))),
    ]);
    assertOk(report);
    assert.deepEqual(outline(report.steps), [
      "changed deploys second.example.org",
      "  changed echo one",
      "changed deploys again.example.org",
      "  changed echo two",
    ]);
  });

  const breaks: Readonly<Record<string, () => Promise<unknown>>> = {
    "the other end closes the connection": () => second.run("pkill -9 -f '^sshd(-session)?: root'"),
    "the other end closes the connection and is down for a while": async () => {
      await second.run("systemctl stop ssh.socket 2>/dev/null; systemctl stop ssh");
      await second.run("pkill -9 -f '^sshd(-session)?: root'; :");
      setTimeout(() => void second.run("systemctl start ssh"), 1500);
    },
  };
  for (const [index, [how, break_]] of Object.entries(breaks).entries()) {
    test(`${how}: the step continues there, and no output is lost`, async () => {
      const begun = `srv/begun-${index}`;
      const released = `/srv/released-${index}`;
      const deployment = rig.deploy([
        deploys(
          on(
            "second",
            runs(`echo begun; touch /${begun}; until [ -e ${released} ]; do sleep 0.05; done; echo ended`),
            runs("echo more"),
          ),
        ),
        runs("hostname -s"),
      ]);
      const events = eventsOf(deployment);
      const noticed = (text: string) =>
        events.some((event) => event.kind === "notice" && event.text === text);
      await until("the step", () => exists(begun), 60);
      await break_();
      await until("the notice of the lost connection", () =>
        noticed("lost the connection to second.example.org; the deployment continues there; reconnecting"),
      );
      await second.run(`touch ${released}`);
      const report = await deployment;
      assertOk(report);
      assert.deepEqual(
        report.steps.filter(({ property }) => property === "probe.runs").map(({ output }) => output),
        ["begun\nended\n", "more\n", "web1\n"],
      );
    });
  }

  test("cancelling while disconnected ends the wait", async () => {
    const deployment = rig.deploy([
      deploys(on("second", runs("touch /srv/held; until [ -e /srv/let-go ]; do sleep 0.05; done"))),
    ]);
    const events = eventsOf(deployment);
    await until("the step", () => exists("srv/held"), 60);
    await second.run("systemctl stop ssh.socket 2>/dev/null; systemctl stop ssh");
    try {
      await second.run("pkill -9 -f '^sshd(-session)?: root'; :");
      await until("the notice of the lost connection", () => events.some(({ kind }) => kind === "notice"));
      deployment.cancel();
      const report = await deployment;
      assert.equal(report.status, "cancelled");
    } finally {
      await second.run("systemctl start ssh; touch /srv/let-go");
    }
    assertOk(await rig.deploy([deploys(on("second", runs("true")))]));
  });
});
