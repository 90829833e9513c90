import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as letsEncrypt from "../../properties/letsEncrypt";
import * as os from "../../properties/os";
import { ACME, startAuthority } from "../support/acme";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Sides, succeeds } from "../support/sides";

test("what is no address, server or domain is refused", () => {
  const obtained = (options: Parameters<typeof letsEncrypt.agreeTos>[0], ...domains: string[]) =>
    letsEncrypt.certificateObtainedStandalone(letsEncrypt.agreeTos(options), ...domains);
  const refused = (call: () => unknown, said: string) =>
    assert.throws(call, {
      name: "InvalidArguments",
      message: `letsEncrypt.certificateObtainedStandalone: args.${said}`,
    });
  refused(
    () => obtained({ emailAddress: "root" }, "a.example.org"),
    'agreeTos.emailAddress is "root"; it must be an address, such as "root@example.org"',
  );
  refused(
    () => obtained({ server: "http://a" }, "a.example.org"),
    'agreeTos.server is "http://a"; it must be the directory of an ACME server, such as "https://acme-staging-v02.api.letsencrypt.org/directory"',
  );
  refused(() => obtained({}, "*.example.org"), 'domains[0] is "*.example.org"; it must be a host name');
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(os.linux(), obtained({}, "a.example.org"))),
    /: it needs a debianlike system, but web1 runs linux$/,
  );
});

describe("letsEncrypt on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
    await Promise.all(
      sides.each.map(({ machine }) => startAuthority(machine, ["a.example.org", "b.example.org"])),
    );
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  const agreed = letsEncrypt.agreeTos({ server: ACME });
  const except = ["/etc/letsencrypt", "/root/acme", "/etc/ssl", "/usr/local/share/ca-certificates"];

  test("installed, and a certificate without a web server", { timeout: 5 * 60_000 }, () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(side, letsEncrypt.installed());
        const certificate = letsEncrypt.certificateObtainedStandalone(
          agreed,
          "a.example.org",
          "b.example.org",
        );
        await holdsAfterwards(side, certificate);
        const { commands } = await holds(side, certificate);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        assert.equal(
          await side.machine.run(
            `openssl x509 -noout -ext subjectAltName -in ${letsEncrypt.certificateFor("a.example.org")}`,
          ),
          "X509v3 Subject Alternative Name: \n    DNS:a.example.org, DNS:b.example.org\n",
        );
        await succeeds(side.apply(letsEncrypt.certificateObtainedStandalone(agreed, "a.example.org")));
        await holds(side, letsEncrypt.certificateObtainedStandalone(agreed, "a.example.org"));
        assert.equal(await side.machine.run("ls /etc/letsencrypt/live"), "README\na.example.org\n");
      },
      { except },
    ),
  );

  test("a name that does not lead to the host has no certificate", () =>
    sides.both(
      async (side) => {
        const { failures } = await side.apply(
          letsEncrypt.certificateObtained(agreed, "/srv", "none.invalid"),
        );
        assert.match(
          failures[0]?.message ?? "",
          /^there is no certificate for none\.invalid; certbot says:\nnone\.invalid: .*\S/,
        );
      },
      { except },
    ));
});
