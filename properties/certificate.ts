/** Certificates of an authority of your own. */
import { defprop, InapplicableProperty, schema } from "consfigurator";
import { certificateFile, holdsCertificate, type Issued, issue, keyFile } from "./_certificates";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram } from "./_ownFile";

const { datum, integer, list, object, optional, string } = schema;

export { trusted } from "./_certificateTrusted";

const days = () => integer({ minimum: 1, maximum: 36_500, description: "a number of days, such as 90" });
const fileName = () =>
  string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    description: 'the name of files, such as "shop.example.org"',
  });
const subjectName = () =>
  string({
    pattern: "^(\\*\\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$|^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$",
    description: 'a name or an IP address of a server, such as "shop.example.org"',
  });

const authorityArgs = object({ name: fileName(), days: days(), renewBefore: days() });

const needs = { program: "openssl", package: "openssl" };

const authorityOf = ({ name, days, renewBefore }: schema.Infer<typeof authorityArgs>): Issued => ({
  name,
  commonName: name,
  names: [],
  days,
  renewBefore,
  authority: undefined,
});

/** Refuses a certificate that each deployment would replace. */
function refuseEndless({ days, renewBefore }: { readonly days: number; readonly renewBefore: number }): void {
  if (renewBefore >= days)
    throw new InapplicableProperty(
      `a certificate of ${days} days that is replaced ${renewBefore} days before it expires is replaced each time; raise days, or lower renewBefore`,
    );
}

/**
 * This host has the certificate authority `name`: a private key in /etc/ssl/private/`name`.key, which is made on the host and
 * never leaves it, and a certificate of `days` (default: 3650) in /etc/ssl/certs/`name`.pem. `certificate.issued` has it sign
 * certificates on this host. The certificate is replaced, with the same key, when it expires within `renewBefore` days
 * (default: a tenth of `days`). openssl must be installed. Unapplying it is refused: it would make all of its certificates
 * worthless.
 *
 * @example certificate.authority("our-ca")
 */
export const authority = defprop({
  name: "certificate.authority",
  kind: "posix",
  args: authorityArgs,
  call: (
    name: string,
    {
      days = 3650,
      renewBefore = Math.ceil(days / 10),
    }: { readonly days?: number; readonly renewBefore?: number } = {},
  ) => ({ name, days, renewBefore }),
  desc: ({ name }) => `certificate authority ${name}`,
  hostattrs: (args, host) => {
    os.required(host, "linux");
    refuseEndless(args);
  },
  check: (args, target) => holdsCertificate(target, authorityOf(args)),
  apply: async (args, target) => {
    await needsRoot(target, "certificate.authority");
    await needsProgram(target, needs);
    await issue(target, authorityOf(args));
    return "changed";
  },
});

const issuedArgs = object({
  name: fileName(),
  names: list(subjectName(), { minItems: 1 }),
  authority: optional(fileName()),
  data: optional(object({ certificate: datum(), key: datum() })),
  days: days(),
  renewBefore: days(),
});
type IssuedArgs = schema.Infer<typeof issuedArgs>;

const issuedOf = ({ name, names, days, renewBefore, authority, data }: IssuedArgs): Issued => ({
  name,
  commonName: names[0] ?? name,
  names,
  days,
  renewBefore,
  authority: data ?? authority ?? name,
});

/** Who signs: an authority of this host by its name, or one that is prerequisite data. */
export interface IssuedOptions {
  readonly by:
    | string
    | { readonly certificate: readonly [string, string]; readonly key: readonly [string, string] };
  readonly names?: readonly string[];
  readonly days?: number;
  readonly renewBefore?: number;
}

/**
 * /etc/ssl/certs/`name`.pem is a certificate for `names` (default: `name`), host names or IP addresses, and its private key is
 * /etc/ssl/private/`name`.key, of mode 0o600, which is made on the host and never leaves it. It is signed by `by`: the name
 * of an authority that `certificate.authority` has on this host, or the prerequisite data of one; their key is only ever in
 * the memory of openssl there.
 *
 * It is valid for `days` (default: 90), and is replaced, with the same key, by a deployment that finds fewer than
 * `renewBefore` days left (default: a third), other names, or another authority. A service must be told, for example with
 * `onChange`. openssl must be installed. Unapplying it deletes both files.
 *
 * @example onChange(certificate.issued("shop.example.org", { by: "our-ca" }), service.reloaded("nginx"))
 * @example certificate.issued("db", { by: { certificate: ["_ca", "certificate"], key: ["_ca", "key"] }, names: ["db.example.org", "192.0.2.7"] })
 */
export const issued = defprop({
  name: "certificate.issued",
  kind: "posix",
  args: issuedArgs,
  call: (
    name: string,
    { by, names = [name], days = 90, renewBefore = Math.ceil(days / 3) }: IssuedOptions,
  ): IssuedArgs => ({
    name,
    names: [...names],
    ...(typeof by === "string"
      ? { authority: by }
      : { data: { certificate: [...by.certificate], key: [...by.key] } }),
    days,
    renewBefore,
  }),
  desc: ({ name, names }) => `certificate ${name} for ${names.join(", ")}`,
  hostattrs: ({ data, ...args }, host) => {
    os.required(host, "linux");
    refuseEndless(args);
    for (const each of data ? [data.certificate, data.key] : []) host.requireData(...each);
  },
  // No check: unapplying asks it, too, where the data are not there.
  apply: async (args, target) => {
    await needsRoot(target, "certificate.issued");
    if (await holdsCertificate(target, issuedOf(args))) return "unchanged";
    await needsProgram(target, needs);
    await issue(target, issuedOf(args));
    return "changed";
  },
  unapply: async ({ name }, target) => {
    await needsRoot(target, "certificate.issued");
    const changes = [await target.remove(certificateFile(name)), await target.remove(keyFile(name))];
    return changes.includes("changed") ? "changed" : "unchanged";
  },
});
