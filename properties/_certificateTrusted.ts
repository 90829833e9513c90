import { defprop, schema } from "consfigurator";
import { wholeText } from "./_lines";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram } from "./_ownFile";

const { object, string } = schema;

const fileOf = (name: string): string => `/usr/local/share/ca-certificates/trusted-${name}.crt`;

/**
 * Programs on this host trust the authority whose certificate is `certificate`, in PEM: it is in
 * /usr/local/share/ca-certificates/trusted-`name`.crt, and update-ca-certificates(8) has put it among the others.
 * ca-certificates must be installed. Unapplying it takes it out again.
 *
 * @example certificate.trusted("our-ca", "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----")
 */
export const trusted = defprop({
  name: "certificate.trusted",
  kind: "posix",
  args: object({
    name: string({
      pattern: "^[A-Za-z0-9][A-Za-z0-9_-]*$",
      description: 'the name of a file without dots, such as "our-ca"',
    }),
    certificate: string({
      pattern: "^-----BEGIN CERTIFICATE-----\\n[\\s\\S]*\\n-----END CERTIFICATE-----\\n?$",
      description: "a certificate in PEM",
    }),
  }),
  call: (name: string, certificate: string) => ({ name, certificate }),
  desc: ({ name }) => `the authority ${name} trusted`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: async ({ name, certificate }, target) => {
    await needsRoot(target, "certificate.trusted");
    await needsProgram(target, { program: "update-ca-certificates", package: "ca-certificates" });
    const written = await target.ensureContent(fileOf(name), wholeText(certificate));
    if (
      written === "unchanged" &&
      (await target.readLink(`/etc/ssl/certs/trusted-${name}.pem`)) !== undefined
    )
      return "unchanged";
    await target.run("update-ca-certificates", { touches: { paths: ["/etc/ssl/certs"] } });
    return "changed";
  },
  unapply: async ({ name }, target) => {
    await needsRoot(target, "certificate.trusted");
    if ((await target.remove(fileOf(name))) === "unchanged") return "unchanged";
    await target.run("update-ca-certificates --fresh", { touches: { paths: ["/etc/ssl/certs"] } });
    return "changed";
  },
});
