import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as firewalld from "../../properties/firewalld";
import * as os from "../../properties/os";
import { withoutStartingServices } from "../../properties/service";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import {
  bootSides,
  holds,
  holdsAfterwards,
  isUndone,
  type Side,
  type Sides,
  succeeds,
} from "../support/sides";
import { until } from "../support/until";

test("what is no zone, port or rule is refused", () => {
  const refused = (call: () => unknown, message: string) =>
    assert.throws(call, { name: "InvalidArguments", message });
  refused(
    () => firewalld.hasZone("a-very-long-zone-name"),
    'firewalld.hasZone: args.zone is "a-very-long-zone-name"; it must be a zone of at most 17 characters, such as "public"',
  );
  refused(
    () => firewalld.zoneHasPort("public", "http"),
    'firewalld.zoneHasPort: args.port is "http"; it must be ports with their protocol, such as "8080/tcp" or "5000-5010/udp"',
  );
  refused(
    () => firewalld.zoneHasRichRule("public", "accept"),
    'firewalld.zoneHasRichRule: args.rule is "accept"; it must be a rule that begins with "rule"',
  );
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(os.linux(), firewalld.hasZone("public"))),
    /: it needs a debianlike system, but web1 runs linux$/,
  );
});

describe("firewalld on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  /** firewalld keeps the time of its last change there. */
  const except = ["/var/lib/firewalld"];
  const afterwards = (side: Side, application: PropApp) => holdsAfterwards(side, application, { except });
  const still = (side: Side, application: PropApp) => holds(side, application, { except });
  const rules = (side: Side) => side.machine.run("nft list ruleset");
  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("installed, and what zones let in", { timeout: 10 * 60_000 }, () =>
    sides.both(
      async (side) => {
        await afterwards(side, firewalld.installed());
        const settings: [PropApp, RegExp][] = [
          [
            firewalld.zoneHasService("inner", "https"),
            /chain filter_IN_inner_allow \{\s+tcp dport 443 .*accept/,
          ],
          [
            firewalld.zoneHasPort("inner", "8080/tcp"),
            /filter_IN_inner_allow \{[^}]*tcp dport 8080 .*accept/,
          ],
          [
            firewalld.zoneHasSource("inner", "192.0.2.0/24"),
            /ip saddr 192\.0\.2\.0\/24 goto filter_IN_inner/,
          ],
          [firewalld.zoneHasInterface("inner", "dummy7"), /iifname "dummy7" goto filter_IN_inner/],
          [firewalld.zoneHasMasquerade("inner"), /chain nat_POST_inner_allow \{[^}]*masquerade/],
          [
            firewalld.zoneHasRichRule(
              "inner",
              'rule family="ipv4" source address="198.51.100.7" service name="ssh" drop',
            ),
            /filter_IN_inner_deny \{[^}]*ip saddr 198\.51\.100\.7 tcp dport 22 .*drop/,
          ],
        ];
        await afterwards(side, eseqprops(...settings.map(([application]) => application)));
        for (const [, shown] of settings) assert.match(await rules(side), shown);
        await side.machine.run("firewall-cmd -q --zone=inner --add-port=99/tcp");
        for (const [application, shown] of settings.toReversed()) {
          await isUndone(side, application);
          assert.doesNotMatch(await rules(side), shown);
        }
        assert.match(await rules(side), /tcp dport 99 /);
        assert.deepEqual(await messages(side, firewalld.zoneHasService("inner", "nothing")), [
          "FailedChange: firewalld refuses --zone=inner --add-service=nothing: INVALID_SERVICE: nothing",
        ]);
        await isUndone(side, firewalld.hasZone("inner"));
      },
      { except },
    ),
  );

  test(
    "services and zones as files, targets, the default zone, the default route",
    { timeout: 5 * 60_000 },
    () =>
      sides.both(
        async (side) => {
          const shop = firewalld.knowsService("shop", [
            "<service>",
            '<port protocol="tcp" port="4711"/>',
            "</service>",
          ]);
          const zone = firewalld.hasZoneXml("whole", ["<zone>", '<service name="shop"/>', "</zone>"]);
          await afterwards(
            side,
            eseqprops(
              shop,
              zone,
              firewalld.hasPolicy("out", [
                '<policy target="ACCEPT">',
                '<ingress-zone name="HOST"/>',
                '<egress-zone name="ANY"/>',
                "</policy>",
              ]),
              firewalld.zoneHasTarget("inner", "DROP"),
              firewalld.hasDefaultZone("whole"),
            ),
          );
          assert.match(await rules(side), /chain filter_IN_whole_allow \{\s+tcp dport 4711 .*accept/);
          await afterwards(side, firewalld.defaultRouteZonedOnce("public"));
          assert.match(await rules(side), /iifname "host0" goto filter_IN_public/);
          const [message = ""] = await messages(
            side,
            firewalld.knowsService("shop", "<service><port/></service>"),
          );
          assert.ok(
            message.startsWith(
              "AbortedChange: firewalld refuses the new content of /etc/firewalld/services/shop.xml, so it was not written; correct it:\n",
            ),
            message,
          );
          await succeeds(side.apply(firewalld.hasDefaultZone("public")));
          await isUndone(side, zone);
          await isUndone(side, shop);
        },
        { except },
      ),
  );

  test(
    "where it does not run, or services are inhibited, its files are changed",
    { timeout: 5 * 60_000 },
    () =>
      sides.both(
        async (side) => {
          const https = firewalld.zoneHasService("public", "https");
          await succeeds(side.apply(withoutStartingServices(https)));
          assert.doesNotMatch(await rules(side), /tcp dport 443/);
          await side.machine.run("systemctl stop firewalld");
          await still(side, https);
          const direct = firewalld.hasDirectRule(
            ...["ipv4", "filter", "INPUT", "0", "-p", "tcp", "--dport", "9999", "-j", "DROP"],
          );
          await afterwards(side, direct);
          await afterwards(side, firewalld.zoneHasTarget("public", "DROP"));
          await afterwards(side, firewalld.zoneHasTarget("public", "default"));
          await side.machine.run("systemctl start firewalld");
          // It is active before its rules are there.
          const allowed = /chain filter_IN_public_allow \{[^}]*tcp dport 443 /;
          await until("the rules are there", async () => allowed.test(await rules(side)));
          await still(side, https);
          await isUndone(side, direct);
          await side.machine.run("systemctl stop firewalld");
          await isUndone(side, https);
        },
        { except },
      ),
  );
});
