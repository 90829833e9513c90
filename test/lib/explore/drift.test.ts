import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deploy } from "../../../lib/controller/deploy";
import { drift } from "../../../lib/explore/drift";
import { whose } from "../../../lib/explore/whose";
import { hosts } from "../../../lib/model/host";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { changedPaths, ownCaches, snapshot } from "../../support/snapshot";
import { assertOk, prop, type Rig } from "../agent/_rig";
import { define, deployedRig } from "./_deployed";

const name = "web1.example.org";

const consfig = (motd: string) => `import { as, defhost, defproplist, schema } from "consfigurator";
import { apt, file, os, user } from "consfigurator/properties";

const shop = defproplist({
  name: "web1.shop",
  args: schema.object({ name: schema.string() }),
  call: (name: string) => ({ name }),
  parts: ({ name }) => [file.hasContent(\`/etc/\${name}.conf\`, ["open"]), file.hasMode(\`/etc/\${name}.conf\`, 0o640)],
});

export const web1 = defhost("${name}",
  os.debianStable("bookworm", "amd64"),
  user.hasAccount("ada"),
  file.hasContent("/etc/motd", ["${motd}"]),
  shop("shop"),
  as("ada", file.hasContent("plan", ["ada's"])),
  apt.installed("hello"),
);
`;

describe("a host that was changed by others", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await deployedRig(name, consfig("welcome"));
  });
  after(() => rigged?.stop());

  const ways = {
    "over the shell": () => [rigged.ssh()],
    "through the agent": () => [rigged.ssh(), via.agent()],
  };

  for (const [way, hops] of Object.entries(ways)) {
    test(`has not drifted, ${way}`, async () => {
      const rows = await drift(name, hops());
      assert.deepEqual([[...rows], rows.errors], [[], []]);
    });

    test(`says whose a file is, ${way}, and nothing is touched`, async () => {
      const before = await snapshot(rigged.machine, { except: ownCaches });
      const shop = await whose(name, "/etc/shop.conf", hops());
      const motd = await whose(name, "/etc/motd", hops());
      const ada = await whose(name, "/home/ada/plan", hops());
      const passwd = await whose(name, "/etc/debconf.conf", hops());
      assert.deepEqual(changedPaths(before, await snapshot(rigged.machine, { except: ownCaches })), []);
      assert.deepEqual(
        [...motd].map((row) => ({ ...row })),
        [
          {
            host: name,
            owner: "file.hasContent('/etc/motd', [ 'welcome' ])",
            place: "hosts/web1.ts:14:8",
            step: null,
            now: "holds",
          },
        ],
      );
      assert.deepEqual(
        [...shop].map(({ owner, place, now }) => [owner, place, now]),
        [["web1.shop('shop')", "hosts/web1.ts:15:3", "holds"]],
      );
      assert.match(shop[0]?.step ?? "", /shop\.conf/);
      assert.deepEqual(
        [...ada].map(({ owner, place }) => [owner, place]),
        [["file.hasContent('plan', [ \"ada's\" ])", "hosts/web1.ts:16:18"]],
      );
      assert.deepEqual(
        [...passwd].map(({ owner, place }) => [owner, place]),
        [["package debconf", null]],
      );
    });
  }

  test("says whose an account and a package is, without asking the host", async () => {
    const elsewhere = via.ssh({ user: "root", hop: "127.0.0.1", port: 9 });
    const [account] = await whose(name, "ada", elsewhere);
    assert.deepEqual([account?.owner, account?.now], ["user.hasAccount('ada')", null]);
    const [installed, ...others] = await whose(name, "hello", elsewhere);
    assert.deepEqual([installed?.owner, others], ["apt.installed('hello')", []]);
    assert.deepEqual([...(await whose(name, "nobody", elsewhere))], []);
  });

  for (const [way, hops] of Object.entries(ways))
    test(`tells who has changed what, ${way}, and nothing is touched`, async () => {
      const { machine } = rigged;
      await machine.run(
        "echo mine >/etc/motd; chmod 600 /etc/shop.conf; rm -f /home/ada/plan; dpkg -P hello; touch /var/log/apt/history.log",
      );
      const before = await snapshot(machine, { except: ownCaches });
      const rows = await drift(name, hops());
      assert.deepEqual(changedPaths(before, await snapshot(machine, { except: ownCaches })), []);
      assert.deepEqual(rows.errors, []);
      assert.deepEqual(
        [...rows].map(({ what, difference, by, property }) => [what, difference, by, property]),
        [
          ["/etc/motd", "content +1 −1 lines", "by hand", "file.hasContent('/etc/motd', [ 'welcome' ])"],
          ["/etc/shop.conf", "mode 0600 → 0640", "by hand", "web1.shop('shop')"],
          ["/home/ada/plan", "to be created", "by hand", "file.hasContent('plan', [ \"ada's\" ])"],
          ["hello", "version none → 2.10-3", "remove of hello 2.10-3", "apt.installed('hello')"],
        ],
      );
      const [motd] = rows;
      const touched = Number(await machine.run("stat -c %Z /etc/motd"));
      assert.equal(motd?.changed, new Date(touched * 1000).toISOString());
      assert.equal(motd?.place, "hosts/web1.ts:14:8");
    });

  test("nobody is blamed where the host does not tell of the past", async () => {
    const { machine } = rigged;
    const fake = "/usr/local/bin/date";
    await machine.run(`printf '#!/bin/sh\\necho no clock >&2; exit 1\\n' >${fake}; chmod 755 ${fake}`);
    const rows = await drift(name, rigged.ssh());
    await machine.run(`rm ${fake}`);
    assert.deepEqual(
      [...rows].map(({ what, by }) => [what, by]),
      [
        ["/etc/motd", null],
        ["/etc/shop.conf", null],
        ["/home/ada/plan", null],
        ["hello", null],
      ],
    );
  });

  test("another deployment, and a changed definition, are told apart from hands", async () => {
    const deployed = await rigged.deploy([prop("file.hasContent", "/etc/shop.conf", ["closed"])]);
    assertOk(deployed);
    const web1 = hosts.get(name);
    assert.ok(web1);
    const found = await drift(name, rigged.ssh(), via.agent());
    const shop = found.find(
      ({ what, difference }) => what === "/etc/shop.conf" && /content/.test(difference),
    );
    assert.match(shop?.by ?? "", /^deployed by .* at \S+Z: /);
    assertOk(await deploy(web1, rigged.ssh() as never, via.agent() as never));
    define(rigged, consfig("goodbye"));
    const rows = await drift(name, rigged.ssh(), via.agent());
    assert.deepEqual(
      [...rows].map(({ what, by }) => [what, by]),
      [["/etc/motd", "the definition has changed"]],
    );
  });

  test("a host that is not reached is an error", async () => {
    const rows = await drift(name, via.ssh({ user: "root", hop: "127.0.0.1", port: 9 }));
    assert.deepEqual([...rows], []);
    assert.equal(rows.errors[0]?.host, name);
  });
});
