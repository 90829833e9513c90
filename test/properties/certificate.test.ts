import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import { shared } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import * as certificate from "../../properties/certificate";
import { debianStable } from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what is no name, and no certificate, is refused; data are required", () => {
  assert.throws(() => certificate.issued("shop", { by: "ca", names: ["a b"] }), {
    name: "InvalidArguments",
    message:
      'certificate.issued: args.names[0] is "a b"; it must be a name or an IP address of a server, such as "shop.example.org"',
  });
  assert.throws(() => certificate.trusted("ca", "MIIB"), {
    name: "InvalidArguments",
    message: 'certificate.trusted: args.certificate is "MIIB"; it must be a certificate in PEM',
  });
  const prepared = (application: PropApp) =>
    prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), application));
  assert.throws(() => prepared(certificate.issued("shop", { by: "ca", days: 10, renewBefore: 10 })), {
    message:
      /a certificate of 10 days that is replaced 10 days before it expires is replaced each time; raise days, or lower renewBefore$/,
  });
  const by = { certificate: ["_ca", "certificate"], key: ["_ca", "key"] } as const;
  const { model } = prepared(certificate.issued("shop", { by }));
  assert.deepEqual([...model.all(shared.data)].map(([, name]) => name).sort(), ["certificate", "key"]);
});

describe("certificates on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const read = async ({ machine }: Side, name: string) =>
    new X509Certificate(await machine.run(`cat /etc/ssl/certs/${name}.pem`));
  /** Keys, serial numbers and times differ. */
  const own = {
    except: ["/etc/ssl", "/var/log", "/var/lib", "/var/cache", "/usr/lib/ssl"],
  };

  test("an authority, and certificates that it signs, each with its key, until they expire", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const shop = (options: { names?: string[]; days?: number; renewBefore?: number } = {}) =>
        certificate.issued("shop.example.org", { by: "our-ca", ...options });
      assert.deepEqual(await messages(side, shop()), [
        'AbortedChange: there is no certificate authority our-ca on this host; put certificate.authority("our-ca") before this property',
      ]);
      await holdsAfterwards(side, certificate.authority("our-ca"));
      await holdsAfterwards(side, shop());
      const { commands } = await holds(side, shop());
      if (side.kind === "agent") assert.deepEqual(commands, []);
      const [ca, first] = [await read(side, "our-ca"), await read(side, "shop.example.org")];
      assert.equal(first.subjectAltName, "DNS:shop.example.org");
      assert.ok(first.verify(ca.publicKey) && ca.ca && !first.ca);
      assert.equal(
        await machine.run(
          "stat -c '%a %U' /etc/ssl/private/shop.example.org.key; openssl verify -CAfile /etc/ssl/certs/our-ca.pem -verify_hostname shop.example.org /etc/ssl/certs/shop.example.org.pem",
        ),
        "600 root\n/etc/ssl/certs/shop.example.org.pem: OK\n",
      );
      const names = ["shop.example.org", "*.shop.example.org", "192.0.2.7", "2001:db8::7"];
      await holdsAfterwards(side, shop({ names }));
      const second = await read(side, "shop.example.org");
      assert.deepEqual(second.checkIP("2001:db8::7"), "2001:db8::7");
      assert.deepEqual(
        second.publicKey.export({ type: "spki", format: "pem" }),
        first.publicKey.export({ type: "spki", format: "pem" }),
      );
      await holdsAfterwards(side, shop({ names, days: 120, renewBefore: 95 }));
      assert.ok(Date.parse((await read(side, "shop.example.org")).validTo) > Date.now() + 100 * 86_400_000);
      await machine.run("rm /etc/ssl/private/our-ca.key /etc/ssl/certs/our-ca.pem");
      await holdsAfterwards(side, certificate.authority("our-ca"));
      await holdsAfterwards(side, shop({ names }));
      assert.ok((await read(side, "shop.example.org")).verify((await read(side, "our-ca")).publicKey));
      await isUndone(side, shop({ names }));
      assert.equal(await machine.run("ls /etc/ssl/private"), "our-ca.key\n");
    }, own));

  test("trusted: programs accept what the authority has signed", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await holdsAfterwards(side, certificate.authority("own"));
      await holdsAfterwards(side, certificate.issued("localhost", { by: "own" }));
      const verified = async () =>
        (
          await machine.exec(
            "openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt -no-CApath -no-CAstore /etc/ssl/certs/localhost.pem",
          )
        ).stdout;
      const pem = await machine.run("cat /etc/ssl/certs/own.pem");
      assert.equal(await verified(), "");
      const trusted = certificate.trusted("own", pem);
      await holdsAfterwards(side, trusted);
      assert.equal(await verified(), "/etc/ssl/certs/localhost.pem: OK\n");
      const { commands } = await holds(side, trusted);
      if (side.kind === "agent") assert.deepEqual(commands, []);
      await isUndone(side, trusted);
      assert.equal(await verified(), "");
    }, own));
});
