import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import { shared } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import { httpsVhostLines } from "../../properties/_apacheVhost";
import * as apache from "../../properties/apache";
import * as letsEncrypt from "../../properties/letsEncrypt";
import * as os from "../../properties/os";
import { ACME, rootOf, securely, startAuthority } from "../support/acme";
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

const bookworm = os.debianStable("bookworm", "amd64");
const vhost = (options: Parameters<typeof apache.httpsVhost>[3] = {}) =>
  apache.httpsVhost("shop.example.org", "/srv/shop", letsEncrypt.agreeTos({ server: ACME }), options);

test("what is no module, site, directory or consent is refused", () => {
  const refused = (call: () => unknown, message: string) =>
    assert.throws(call, { name: "InvalidArguments", message });
  refused(
    () => apache.modEnabled("mod rewrite"),
    'apache.modEnabled: args.name is "mod rewrite"; it must be a module of Apache, such as "rewrite"',
  );
  refused(
    () => apache.siteEnabled("../x"),
    'apache.siteEnabled: args.domain is "../x"; it must be the name of a site, such as "shop.example.org"',
  );
  refused(
    () => apache.httpsVhost("a.example.org", '/srv/"a', letsEncrypt.agreeTos()),
    'apache.httpsVhost: args.htdocs is "/srv/\\"a"; it must be an absolute path without quotes',
  );
  refused(
    () => apache.httpsVhost("a.example.org", "/srv/a", {} as never),
    "apache.httpsVhost: args.agreeTos.agreedToTerms is missing",
  );
});

test("a host that does not run Debian is refused before connecting; names are recorded", () => {
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(os.linux(), apache.siteEnabled("a"))),
    /: it needs a debianlike system, but web1 runs linux$/,
  );
  const { model } = prepare(
    { name: "www.example.org" },
    eseqprops(bookworm, vhost({ aliases: ["www.example.org", "b.example.org"] })),
  );
  assert.deepEqual(model.all(shared.aliases), ["b.example.org", "shop.example.org"]);
});

test("the lines of a site: exceptions from the redirection come before it", () => {
  const lines = httpsVhostLines({
    domain: "a.example.org",
    htdocs: "/srv/a",
    aliases: ["b.example.org"],
    additionalConfig: ["# both"],
    additionalConfigHttps: ["# secure"],
    stapling: true,
  });
  const shown = lines.filter((line) => /^(#|<If|<Vi|Server|SSL|Rewrite)/.test(line));
  const http = (name: string) => [
    "<VirtualHost *:80>",
    `ServerName ${name}:80`,
    "ServerSignature on",
    "RewriteEngine On",
    "RewriteRule ^/\\.well-known/acme-challenge(/.*)?$ - [L]",
    "# both",
    "RewriteRule (.*) https://%{SERVER_NAME}$1 [R=301,L,NE]",
  ];
  assert.deepEqual(shown, [
    '<IfFile "/etc/letsencrypt/live/a.example.org/fullchain.pem">',
    "<VirtualHost *:443>",
    "ServerName a.example.org:443",
    "ServerAlias b.example.org",
    "ServerSignature on",
    "SSLEngine on",
    'SSLCertificateFile "/etc/letsencrypt/live/a.example.org/fullchain.pem"',
    'SSLCertificateKeyFile "/etc/letsencrypt/live/a.example.org/privkey.pem"',
    "SSLUseStapling on",
    "# both",
    "# secure",
    ...http("a.example.org"),
    ...http("b.example.org"),
  ]);
});

describe("Apache on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const overHttp = async ({ machine }: Side, name: string, path = "/"): Promise<string> => {
    const options = { headers: { host: name }, redirect: "manual" } as const;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const { get } = await import("node:http");
    get({ host: machine.address, path, headers: options.headers, agent: false }, (response) => {
      let text = `${response.statusCode} ${response.headers.location ?? ""}`;
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
    return promise;
  };
  /** Certificates, and caches that packages write. */
  const except = ["/etc/letsencrypt", "/root/acme", "/etc/ssl", "/usr/local/share/ca-certificates"];
  const site = (name: string, ...lines: string[]) => [
    "<VirtualHost *:80>",
    `ServerName ${name}`,
    `DocumentRoot /srv/${name}`,
    `<Directory /srv/${name}>`,
    "Require all granted",
    "</Directory>",
    ...lines,
    "</VirtualHost>",
  ];

  test("installed, and a module with what it needs", { timeout: 5 * 60_000 }, () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(side, apache.installed());
        const negotiation = apache.modEnabled("authnz_ldap");
        const { steps } = await holdsAfterwards(side, negotiation);
        assert.ok(steps.includes("apache2 reloaded: changed"), steps.join("\n"));
        assert.match(await side.machine.run("apache2ctl -M"), / authnz_ldap_module /);
        const { commands } = await holds(side, negotiation);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await isUndone(side, negotiation);
        assert.doesNotMatch(await side.machine.run("apache2ctl -M"), / authnz_ldap_module /);
        assert.deepEqual(await messages(side, apache.modEnabled("none")), [
          'AbortedChange: Apache has no module none; correct the name, or put what brings it, such as apt.installed("libapache2-mod-wsgi-py3"), before this property',
        ]);
      },
      { except },
    ),
  );

  test("a configuration, and a site", () =>
    sides.both(
      async (side) => {
        await side.machine.run("mkdir -p /srv/a.example; echo hello >/srv/a.example/index.html");
        const served = apache.siteEnabled("a.example", site("a.example"));
        await holdsAfterwards(side, apache.siteAvailable("a.example", site("a.example")));
        await holdsAfterwards(side, served);
        assert.equal(await overHttp(side, "a.example"), "200 hello\n");
        await holdsAfterwards(side, apache.confEnabled("own", ["ServerTokens Prod"]));
        await holdsAfterwards(side, apache.siteEnabled("a.example", site("a.example", "Redirect /x /y")));
        assert.match(await overHttp(side, "a.example", "/x"), /^302 http:\/\/a\.example\/y/);
        await isUndone(side, served);
        await isUndone(side, apache.confEnabled("own", ["ServerTokens Prod"]));
        await holdsAfterwards(side, apache.confAvailable("own", "ServerTokens Prod"));
        await isUndone(side, apache.confAvailable("own", "ServerTokens Prod"));
        assert.equal(
          await side.machine.run("cd /etc/apache2; ls sites-available sites-enabled; ls conf-*/own* || true"),
          "sites-available:\n000-default.conf\ndefault-ssl.conf\n\nsites-enabled:\n000-default.conf\n",
        );
        assert.deepEqual(await messages(side, apache.siteEnabled("none")), [
          "AbortedChange: Apache has no site none; correct the name, or put apache.siteAvailable before this property",
        ]);
      },
      { except },
    ));

  test("what Apache does not accept is neither enabled nor written", () =>
    sides.both(
      async (side) => {
        const wrong = site("a.example", "RewriteEngin on");
        const said =
          "AH00526: Syntax error on line 7 of /etc/apache2/sites-enabled/a.example.conf:\nInvalid command 'RewriteEngin', perhaps misspelled or defined by a module not included in the server configuration";
        const [enabling = ""] = await messages(side, apache.siteEnabled("a.example", wrong));
        assert.ok(
          enabling.startsWith(
            "AbortedChange: Apache refuses its configuration with the site a.example enabled, so it was not enabled; correct it:\n",
          ),
          enabling,
        );
        assert.ok(enabling.includes(said), enabling);
        await succeeds(side.apply(apache.siteEnabled("a.example", site("a.example"))));
        const [writing = ""] = await messages(side, apache.siteEnabled("a.example", wrong));
        assert.ok(
          writing.startsWith(
            "AbortedChange: Apache refuses its configuration with the new content of /etc/apache2/sites-available/a.example.conf, so it was not written; correct it:\n",
          ),
          writing,
        );
        assert.ok(writing.includes(said), writing);
        assert.equal(await overHttp(side, "a.example"), "200 hello\n");
        await succeeds(side.apply(apache.modEnabled("rewrite")));
        await succeeds(side.apply(apache.siteEnabled("a.example", site("a.example", "RewriteEngine on"))));
        const { failures } = await side.unapply(apache.modEnabled("rewrite"));
        assert.match(
          failures[0]?.message ?? "",
          /^Apache refuses its configuration with the module rewrite disabled, so it was not disabled; correct it:\n/,
        );
        assert.equal(await overHttp(side, "a.example"), "200 hello\n");
        await isUndone(side, apache.siteEnabled("a.example", site("a.example")));
      },
      { except },
    ));

  test("httpsVhost: with a certificate from an authority of our own", { timeout: 5 * 60_000 }, () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        await machine.run("mkdir -p /srv/shop; echo shop >/srv/shop/index.html");
        await startAuthority(machine, ["shop.example.org", "www.example.org", "new.example.org"]);
        const shop = vhost({
          aliases: ["www.example.org"],
          additionalConfig: ["RewriteEngine On", "RewriteRule ^/old$ /new [R=302,L]"],
        });
        await succeeds(side.apply(shop));
        await holds(side, shop);
        const ca = await rootOf(machine);
        assert.equal(await securely(machine, "shop.example.org", ca), "200 shop\n");
        assert.equal(await securely(machine, "www.example.org", ca), "200 shop\n");
        assert.match(await overHttp(side, "www.example.org", "/a"), /^301 https:\/\/www\.example\.org\/a/);
        assert.match(
          await overHttp(side, "shop.example.org", "/old"),
          /^302 http:\/\/shop\.example\.org\/new/,
        );
        const { commands } = await holds(side, shop);
        if (side.kind === "agent") assert.deepEqual(commands, []);

        await succeeds(side.apply(vhost({ aliases: ["new.example.org"] })));
        assert.equal(await securely(machine, "new.example.org", ca), "200 shop\n");
        await assert.rejects(securely(machine, "www.example.org", ca), {
          code: "ERR_TLS_CERT_ALTNAME_INVALID",
        });
        await holds(side, vhost({ aliases: ["new.example.org"] }));
        assert.equal(
          await machine.run(
            "certbot renew --force-renewal -q --no-random-sleep-on-renew && ls /etc/letsencrypt/live",
          ),
          "README\nshop.example.org\n",
        );
        const names = await machine.run(
          "openssl x509 -noout -serial -in /etc/letsencrypt/live/shop.example.org/cert.pem",
        );
        const used = await machine.run(
          "openssl s_client -connect 127.0.0.1:443 -servername shop.example.org </dev/null 2>/dev/null | openssl x509 -noout -serial",
        );
        assert.equal(used, names);
        await isUndone(side, shop);
        await assert.rejects(securely(machine, "shop.example.org", ca));
      },
      { except },
    ),
  );
});
