/** Services that are not started: on two real machines, by packages, by properties, and in what is nested. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { session } from "../../lib/controller/session";
import { as, reconnects } from "../../lib/nested/deploys";
import * as via from "../../lib/via";
import * as apt from "../../properties/apt";
import * as file from "../../properties/file";
import { debianStable } from "../../properties/os";
import * as service from "../../properties/service";
import { assertOk, prop, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";

const POLICY = "/usr/sbin/policy-rc.d";

/** `properties/asks.ts` of the consfig: says whether services are inhibited where it is applied. */
const asks = `import { defprop, schema } from "consfigurator";
import { service } from "consfigurator/properties";

export const inhibited = defprop({
  name: "asks.inhibited",
  kind: "posix",
  args: schema.object({}),
  call: () => ({}),
  apply: async (_args, target) => {
    target.inform(String(service.isInhibited(target)));
    return "changed";
  },
});
`;

describe("services are not started", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    on.write({ "properties/asks.ts": asks });
    assert.equal(session.consfig?.refresh().error, undefined);
  });
  after(() => on?.stop());

  for (const kind of ["agent", "shell"] as const) {
    const hops = () => (kind === "agent" ? [on.ssh(), via.agent()] : [on.ssh()]);
    const deployed = (...properties: Parameters<typeof service.withoutStartingServices>) =>
      on.deploy([debianStable("bookworm", "amd64"), service.withoutStartingServices(...properties)], hops());
    const policy = () =>
      on.machine.run(
        `cat ${POLICY} 2>/dev/null || true; ls ${POLICY}.before-consfigurator 2>/dev/null || true`,
      );

    test(`${kind}: in what is nested on this machine too`, async () => {
      const report = await on.deploy(
        [
          debianStable("bookworm", "amd64"),
          prop("asks.inhibited"),
          service.withoutStartingServices(
            prop("asks.inhibited"),
            as("plain", prop("asks.inhibited")),
            reconnects(via.rehome("/srv"), prop("asks.inhibited")),
          ),
          prop("asks.inhibited"),
        ],
        hops(),
      );
      assertOk(report);
      const said = report.steps
        .filter(({ property }) => property === "asks.inhibited")
        .map(({ output }) => output);
      assert.deepEqual(said, ["false\n", "true\n", "true\n", "true\n", "false\n"]);
      assert.equal(await policy(), "");
    });

    test(`${kind}: while something changes, packages are told so; afterwards all is as before`, async () => {
      const seen = prop("probe.runs", `${POLICY}; echo "policy-rc.d said $?"`);
      const report = await deployed(seen);
      assertOk(report);
      assert.match(report.steps.find(({ property }) => property === "probe.runs")?.output ?? "", /said 101/);
      assert.equal(await policy(), "");
      await on.machine.run(`printf '#!/bin/sh\\nexit 0\\n' >${POLICY}; chmod 755 ${POLICY}`);
      assertOk(await deployed(seen));
      assert.equal(await policy(), "#!/bin/sh\nexit 0\n");
      await on.machine.run(`rm ${POLICY}`);
    });

    test(`${kind}: where nothing changes, nothing is written`, async () => {
      await on.machine.run("touch -d 2020-01-01 /usr/sbin");
      const report = await deployed(file.directoryExists("/usr/sbin"));
      assert.equal(report.status, "unchanged");
      assert.equal(
        await on.machine.run("stat -c %Y /usr/sbin"),
        await on.machine.run("date -d 2020-01-01 +%s"),
      );
    });

    test(`${kind}: what a property inside wrote stays; what a crash left is mended`, async () => {
      assertOk(await deployed(service.noServices()));
      assert.equal(await policy(), "#!/bin/sh\nexit 101\n");
      const left =
        "#!/bin/sh\\n# Until a deployment has ended: service.withoutStartingServices.\\nexit 101\\n";
      await on.machine.run(`mv ${POLICY} ${POLICY}.before-consfigurator; printf '${left}' >${POLICY}`);
      assertOk(await deployed(file.directoryExists("/usr/sbin")));
      assert.equal(await policy(), "#!/bin/sh\nexit 101\n");
      await on.machine.run(`printf '${left}' >${POLICY}`);
      assertOk(await deployed(file.directoryExists("/usr/sbin")));
      assert.equal(await policy(), "");
    });
  }

  test("a host that does not run Debian is refused", async () => {
    const report = await on.deploy(
      [eseqprops(service.withoutStartingServices(apt.installed("hello")))],
      [on.ssh()],
    );
    assert.equal(report.status, "refused");
  });
});
