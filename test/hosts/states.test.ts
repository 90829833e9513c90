/** The example consfigs converge from the states that nginx can be in, or say what to do. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { deploy } from "../../lib/controller/deploy";
import { session } from "../../lib/controller/session";
import type { Hop } from "../../lib/model/hop";
import type { Host } from "../../lib/model/host";
import type { Report } from "../../lib/model/report";
import { root } from "../../lib/util/package";
import * as via from "../../lib/via";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";
import { until } from "../support/until";

const examples = [
  { name: "web1", consfig: "hosts/web.ts", site: "/etc/nginx/conf.d/quiet.conf", through: "a shell" },
  { name: "guests", consfig: "hosts/guests.ts", site: "/etc/nginx/conf.d/guests.conf", through: "an agent" },
];
// nginx is installed from the network.
const options = { timeout: 10 * 60_000 };

describe("the examples converge", needsMachines(), () => {
  for (const { name, consfig, site, through } of examples)
    describe(`${name}, through ${through}`, () => {
      let on: Rig;
      before(async () => {
        on = await rig();
        for (const file of ["services/cool.ts", consfig])
          cpSync(path.join(root, file), path.join(on.consfig, file));
        assert.equal(session.consfig?.refresh().error, undefined);
        assertOk(await deployed());
      }, options);
      after(() => on?.stop());

      const deployed = () => {
        const hops = through === "an agent" ? [on.ssh(), via.agent()] : [on.ssh()];
        return deploy(session.consfig?.scope()[name] as Host, hops as unknown as Hop);
      };
      /** nginx runs with all of its configuration, and there is nothing left to do. */
      async function converges(expected: "changed" | "unchanged" = "changed"): Promise<void> {
        const report = await deployed();
        assertOk(report);
        assert.equal(report.status, expected);
        assert.equal(
          await on.machine.run(
            "systemctl is-active nginx && stat -c %s /run/nginx.pid | grep -v '^0$' | wc -l",
          ),
          "active\n1\n",
        );
        const again = await deployed();
        assertOk(again);
        assert.equal(again.status, "unchanged");
      }
      const messages = ({ failed }: Report) => failed.flatMap(({ failure }) => failure?.message ?? []);

      test("when everything holds", options, () => converges("unchanged"));

      test("when nginx is stopped", options, async () => {
        await on.machine.run("systemctl stop nginx");
        await converges();
      });

      test("when nginx is stopped, and its configuration is not there", options, async () => {
        await on.machine.run(`systemctl stop nginx; rm ${site}`);
        await converges();
      });

      test("when nginx has failed", options, async () => {
        await on.machine.run("systemctl kill --signal=KILL nginx");
        await until(
          "it has failed",
          async () => (await on.machine.exec("systemctl is-failed nginx")).exit === 0,
        );
        await converges();
      });

      test("when nginx is masked, it says what to do", options, async () => {
        await on.machine.run(`systemctl stop nginx; systemctl -q mask nginx; rm ${site}`);
        const masked = 'it is masked; remove systemd.masked("nginx"), or run `systemctl unmask nginx`';
        assert.deepEqual(messages(await deployed()), [`nginx did not start: ${masked}`]);
        assert.deepEqual(messages(await deployed()), [`nginx did not start: ${masked}`]);
        await on.machine.run("systemctl unmask nginx");
        await converges();
        await on.machine.run("systemctl stop nginx; systemctl -q mask nginx");
        assert.deepEqual(messages(await deployed()), [`nginx cannot be enabled: ${masked}`]);
        await on.machine.run("systemctl unmask nginx");
        await converges();
      });

      test("when its packages are unpacked, but not configured", options, async () => {
        await on.machine.run(
          "systemctl stop nginx; cd /tmp && apt-get -q download nginx nginx-common && dpkg --unpack nginx*.deb && rm nginx*.deb",
        );
        assert.match(await on.machine.run("dpkg-query -Wf '${db:Status-Abbrev}' nginx"), /^iU/);
        await converges();
      });

      test("when it is removed, and its configuration stays", options, async () => {
        await on.machine.run("apt-get -qq remove nginx nginx-common >/dev/null");
        await converges();
      });

      test("when another process has its port, it says which", options, async () => {
        await on.machine.run(
          `systemctl stop nginx; rm ${site}; systemd-run -q --unit=squatter systemd-socket-activate -l 80 /bin/cat; until ss -Hltn sport = :80 | grep -q .; do sleep 0.1; done`,
        );
        const found = messages(await deployed());
        assert.equal(found.length, 1);
        assert.match(
          found[0] ?? "",
          /^nginx did not start: a command of its unit file failed; 80 is in use by systemd-socket- \(process \d+\); stop that service, or choose another address; the last lines of its journal:\n(.*\n)*.*Address already in use/,
        );
        await on.machine.run("systemctl stop squatter");
        await converges();
      });
    });
});
