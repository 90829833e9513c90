import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as nginx from "../../properties/nginx";
import * as os from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

const serving = (word: string, port = 80) => [
  "server {",
  `  listen ${port};`,
  `  location / { return 200 "${word}\\n"; }`,
  "}",
];

test("two contents of one site, a bad name and another system are refused before connecting", () => {
  const prepared = (...each: PropApp[]) =>
    prepare({ name: "web1" }, eseqprops(os.debianStable("bookworm", "amd64"), ...each));
  prepared(nginx.site("shop", "x"), nginx.site("shop", "x"), nginx.site("blog", "y"));
  assert.throws(() => prepared(nginx.site("shop", "x"), nginx.site("shop", "y")), {
    message:
      /an earlier property gives \/etc\/nginx\/sites-available\/shop another content; put both into one property, or remove one$/,
  });
  assert.throws(() => nginx.site("a/b", ""), {
    name: "InvalidArguments",
    message: 'nginx.site: args.name is "a/b"; it must be the name of a site, such as "shop.example.org"',
  });
  assert.throws(
    () =>
      prepare({ name: "web1" }, eseqprops(os.freebsdRelease("14.1", "amd64"), nginx.siteDisabled("default"))),
    { message: /it needs a debianlike system, but web1 runs freebsdRelease 14\.1 \(amd64\)$/ },
  );
});

describe("nginx on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const get = (side: Side, port = 80) =>
    side.machine.run(
      `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; tail -n 1 <&3'`,
    );
  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("without nginx it is refused", () =>
    sides.both(async (side) => {
      assert.deepEqual(await messages(side, nginx.site("shop", serving("shop"))), [
        'AbortedChange: nginx is not installed; put apt.installed("nginx") or the like before this property',
      ]);
      await side.machine.run("apt-get update -q && apt-get install -qy --no-install-recommends nginx-light");
    }));

  test("a site is served, reloaded when it changes, and removed", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, nginx.siteDisabled("default"));
      const master = () => side.machine.run("cat /run/nginx.pid");
      const before = await master();
      await holdsAfterwards(side, nginx.site("shop.example.org", serving("shop")));
      assert.equal(await get(side), "shop\n");
      const { commands } = await holds(side, nginx.site("shop.example.org", serving("shop")));
      if (side.kind === "agent") assert.deepEqual(commands, []);
      await holdsAfterwards(side, nginx.site("shop.example.org", serving("other", 81)));
      assert.equal(await get(side, 81), "other\n");
      assert.equal(await master(), before, "reloaded, not restarted");
      await side.machine.run("rm /etc/nginx/sites-enabled/shop.example.org; nginx -s reload");
      await holdsAfterwards(side, nginx.site("shop.example.org", serving("other", 81)));
      assert.equal(await get(side, 81), "other\n");
      await isUndone(side, nginx.site("shop.example.org", serving("other", 81)));
      assert.equal(
        await side.machine.run("ls /etc/nginx/sites-enabled /etc/nginx/sites-available"),
        "/etc/nginx/sites-available:\ndefault\n\n/etc/nginx/sites-enabled:\n",
      );
    }, nginxsOwn));

  test("what nginx does not accept, also together with other sites, is not put in place", () =>
    sides.both(async (side) => {
      const refused = (message: string) => [
        `AbortedChange: \`nginx -t\` refuses the new content of /etc/nginx/sites-available/blog, so it was not written; correct it:\n${message}`,
      ];
      const shown = async (site: PropApp) =>
        (await messages(side, site)).map((each) => each.replace(/^.*\[emerg\] \d+#\d+: /gm, ""));
      assert.deepEqual(
        await shown(nginx.site("blog", ["server {", "  serv_name blog;", "}"])),
        refused(
          'unknown directive "serv_name" in /etc/nginx/sites-enabled/blog:2\nnginx: configuration file /etc/nginx/nginx.conf test failed',
        ),
      );
      await holdsAfterwards(side, nginx.site("shop", ["server { listen 80 default_server; }"]));
      assert.deepEqual(
        await shown(nginx.site("blog", ["server { listen 80 default_server; }"])),
        refused(
          "a duplicate default server for 0.0.0.0:80 in /etc/nginx/sites-enabled/shop:1\nnginx: configuration file /etc/nginx/nginx.conf test failed",
        ),
      );
      await side.machine.run("echo x >/etc/nginx/sites-enabled/own; ! ls /etc/nginx/sites-*/blog");
      assert.deepEqual(await messages(side, nginx.siteDisabled("own")), [
        "AbortedChange: /etc/nginx/sites-enabled/own is not a link to /etc/nginx/sites-available/own; move it to /etc/nginx/sites-available",
      ]);
    }, nginxsOwn));
});

/** What apt and nginx leave behind, each at its own time. */
const nginxsOwn = {
  except: [
    "/var/log",
    "/var/lib/apt",
    "/var/cache",
    "/var/lib/dpkg",
    "/var/lib/nginx",
    "/etc/ssl",
    "/var/lib/systemd",
  ],
};
