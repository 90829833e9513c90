/** A runtime that the host downloads while it is uploaded over a slow link: whichever is there first is used. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import * as via from "../../../../lib/via";
import { needsMachines } from "../../../support/machines";
import type { DelayProxy } from "../../../support/proxy";
import { NodeRegistry, packed } from "../../../support/registry";
import { until } from "../../../support/until";
import { assertOk, eventsOf, prop, type Rig, rig } from "../_rig";

const ALL = Boolean(process.env["CONSFIGURATOR_TEST_ALL"]);

describe("while a runtime is uploaded to a host", needsMachines(), () => {
  let on: Rig;
  let proxy: DelayProxy;
  let registry: NodeRegistry;
  before(async () => {
    on = await rig({ packages: ["curl", "wget"] });
    proxy = await on.proxy(50);
    registry = await NodeRegistry.beside(on.machine);
  });
  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    await on?.stop();
  });
  beforeEach(async () => {
    await on.bare();
    await on.machine.run("chmod a+x /usr/bin/curl /usr/bin/wget /usr/lib/apt/apt-helper");
    registry.answer = registry.answerPackage;
    registry.requested.length = 0;
    proxy.reset();
    proxy.setBandwidth(10_000_000);
  });

  const inRuntime = () => {
    const directory = path.join(on.agent, "runtime");
    return existsSync(directory) ? readdirSync(directory).map((file) => file.replace(/-\w{16}/, "")) : [];
  };
  const processes = async () =>
    (await on.machine.exec("pgrep -a 'apt-helper|curl|wget|tee|sleep'; pgrep -fa '[/]methods/http'")).stdout;
  /** The runtime is there, and everything that brought it has ended, and left nothing else. */
  const assertClean = async () => {
    let saw = "";
    const isClean = async () => {
      saw = `${inRuntime().join(" ")}; ${await processes()}`;
      return inRuntime().length === 2 && (await processes()) === "";
    };
    await until("nothing to be left", isClean, { saw: () => saw });
  };
  /** Deploys what needs the agent; with the notices, and how long it took. */
  const first = async (settings: Parameters<typeof via.agent>[0] = { registry: registry.url }) => {
    const started = performance.now();
    const deployment = on.deploy([prop("probe.process_")], [on.ssh("root", proxy), via.agent(settings)]);
    const events = eventsOf(deployment);
    assertOk(await deployment);
    const ms = performance.now() - started;
    return { ms, notices: events.flatMap((event) => (event.kind === "notice" ? [event.text] : [])) };
  };

  for (const tool of ["curl", "wget", "apt"])
    test(`the host downloads the same with ${tool}, and the upload ends`, async (t) => {
      const others = ["curl", "wget"].filter((other) => other !== tool).map((other) => `/usr/bin/${other}`);
      await on.machine.run(`chmod a-x ${others.join(" ")}`);
      const { ms, notices } = await first();
      const installedAt = performance.now();
      t.diagnostic(`${Math.round(ms)} ms, ${proxy.bytes.up} bytes sent`);
      assert.deepEqual(notices, [
        `${registry.file}: the host downloaded Node from there before it was uploaded`,
      ]);
      await assertClean();
      t.diagnostic(`nothing was left ${Math.round(performance.now() - installedAt)} ms later`);
      assert.deepEqual(registry.requested, [new URL(registry.file).pathname]);
      assert.ok(proxy.bytes.up < 30_000_000, `${proxy.bytes.up} bytes`);
    });

  describe("the upload is what counts", () => {
    beforeEach(() => proxy.setBandwidth(60_000_000));
    const other = (binary: Buffer) => () => {
      const file = packed(binary);
      registry.answer = (response) => response.end(file);
    };
    const discarded = () => [
      `${registry.file}: what the host downloaded from there is not the expected Node, and was deleted`,
    ];
    const cases: Record<string, { given: () => unknown; notices?: () => string[]; requests?: number }> = {
      "when the package has another binary": { given: other(Buffer.from("other")), notices: discarded },
      "when the server has none": {
        given: () => {
          registry.answer = (response) => response.writeHead(404).end();
        },
        requests: 2,
      },
      "when the server never answers": {
        given: () => {
          registry.answer = () => {};
        },
      },
      "when the host has nothing to download with": {
        given: () => on.machine.run("chmod a-x /usr/bin/curl /usr/bin/wget /usr/lib/apt/apt-helper"),
        requests: 0,
      },
      ...(ALL && {
        "when the package has a larger one": { given: other(Buffer.alloc(200_000_000)), notices: discarded },
        "when the server sends no package": {
          given: () => {
            registry.answer = (response) => response.end("<p>Log in to use this network</p>");
          },
          notices: discarded,
        },
        "when the server stops in the middle": {
          given: () => {
            registry.answer = (response) => response.write(registry.package.subarray(0, 20_000_000));
          },
        },
      }),
    };
    for (const [when, { given, notices = () => [], requests = 1 }] of Object.entries(cases))
      test(when, async () => {
        await given();
        assert.deepEqual((await first()).notices, notices());
        await assertClean();
        assert.equal(registry.requested.length, requests);
      });

    test("when the download would take longer, which it is then spared", async () => {
      proxy.setBandwidth(20_000_000);
      let endedAfter = 0;
      registry.answer = (response) => {
        const begun = performance.now();
        const trickle = setInterval(() => response.write(Buffer.alloc(100_000)), 100);
        response.once("close", () => {
          clearInterval(trickle);
          endedAfter = performance.now() - begun;
        });
      };
      const { ms } = await first();
      await assertClean();
      assert.ok(endedAfter > 0 && endedAfter < ms - 5000, `ended after ${endedAfter} of ${ms} ms`);
    });

    test("when no registry may be asked", async () => {
      assert.deepEqual((await first({ registry: false })).notices, []);
      assert.deepEqual(registry.requested, []);
    });
  });

  describe("and downloaded, nothing of the download is left", () => {
    /** A deployment during whose upload the host downloads. */
    const begun = async () => {
      registry.answer = (response) => response.write(registry.package.subarray(0, 20_000_000));
      const deployment = on.deploy(
        [prop("probe.process_")],
        [on.ssh("root", proxy), via.agent({ registry: `${registry.url}/` })],
      );
      await until("the download", () => inRuntime().some((name) => name.endsWith(".tgz")));
      return { deployment };
    };
    const assertEnded = () =>
      until(
        "the download to be over",
        async () => (await processes()) === "" && !inRuntime().some((name) => /tgz|node$|sum/.test(name)),
        { saw: () => inRuntime().join(" ") },
      );

    test("when the link is cut; the upload is resumed", async () => {
      const { deployment } = await begun();
      proxy.cut("refuse");
      await assertEnded();
      proxy.restore();
      assertOk(await deployment);
      await assertClean();
    });

    test("when the script is killed", async () => {
      const { deployment } = await begun();
      const file = inRuntime().find((name) => name.endsWith(".tgz")) ?? "";
      const pid = /[.](\d+)[.]tmp/.exec(file)?.[1];
      await on.machine.run(`kill -9 ${pid}`);
      await assertEnded();
      await deployment;
      await first();
      await assertClean();
    });
  });
});

test("a registry whose URL every user of the host could use to log in is refused", () => {
  assert.throws(() => via.agent({ registry: "https://ada:secret@npm.example.org" }), {
    message:
      'via.agent: args.registry is "https://ada:secret@npm.example.org"; it must be the URL of an npm registry, without credentials, or false',
  });
});
