/** Certificates from Let's Encrypt, or from another authority that speaks ACME, through certbot. */
import { X509Certificate } from "node:crypto";
import { type Change, defprop, defproplist, FailedChange, type PosixTarget, schema } from "consfigurator";
import { type AgreeTos, agreement, certificateFor, fullchainFor } from "./_letsEncryptFiles";
import { needed, needsRoot } from "./_needs";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";

export { type AgreeTos, certificateFor, chainFor, fullchainFor, privkeyFor } from "./_letsEncryptFiles";

const { absolutePath, hostname, list, object, optional } = schema;

/**
 * Says that you agree to the terms of the authority, for the properties that obtain certificates. It writes to
 * `emailAddress`, if given. `server` is another authority than Let's Encrypt: the URL of its ACME directory.
 *
 * @example letsEncrypt.agreeTos({ emailAddress: "root@example.org" })
 */
export const agreeTos = (options: { emailAddress?: string; server?: string } = {}): AgreeTos => ({
  agreedToTerms: "yes",
  ...options,
});

/**
 * certbot is installed, and renews certificates.
 *
 * @example letsEncrypt.installed()
 */
export const installed = defproplist({
  name: "letsEncrypt.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "certbot installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("certbot")],
});

const domains = () => list(hostname(), { minItems: 1 });

const certificateArgs = object({
  agreeTos: agreement(),
  htdocs: optional(absolutePath()),
  domains: domains(),
});
type Certificate = schema.Infer<typeof certificateArgs>;

const obtained = defprop({
  name: "letsEncrypt._obtained",
  kind: "posix",
  args: certificateArgs,
  desc: ({ domains }) => `certificate for ${domains.join(", ")}`,
  check: async ({ domains }, target) => {
    await needsRoot(target, "letsEncrypt.certificateObtained");
    const found = await certificateIn(target, domains);
    return found !== undefined && isNamed(found, domains) && !isDue(found);
  },
  apply: async (args, target): Promise<Change> => {
    const [first = ""] = args.domains;
    const before = await target.readBytes(fullchainFor(first));
    const paths = [
      "/etc/letsencrypt",
      "/var/lib/letsencrypt",
      ...(args.htdocs === undefined ? [] : [args.htdocs]),
    ];
    const options = { inform: true, mayFail: true, touches: { paths } };
    const { exit, stdout, stderr } = await target.run(certbot(args), options);
    if (exit !== 0) throw new FailedChange(whyNot(args, stdout + stderr));
    const after = await target.readBytes(fullchainFor(first));
    return before && after?.equals(before) ? "unchanged" : "changed";
  },
  verify: async ({ domains }, target) => {
    const found = await certificateIn(target, domains);
    const [first = ""] = domains;
    if (!found) return `there is no certificate in ${certificateFor(first)}`;
    if (!isNamed(found, domains)) return `${certificateFor(first)} is for ${namesIn(found).join(", ")}`;
    return Date.parse(found.validTo) < Date.now() ? `${certificateFor(first)} has expired` : undefined;
  },
});

function certbot({ agreeTos, htdocs, domains }: Certificate): string[] {
  const { emailAddress, server } = agreeTos;
  return [
    ...["certbot", "certonly", "--non-interactive", "--text", "--agree-tos"],
    emailAddress === undefined ? "--register-unsafely-without-email" : `--email=${emailAddress}`,
    ...(server === undefined ? [] : [`--server=${server}`]),
    ...(htdocs === undefined
      ? ["--standalone", "--preferred-challenges=http"]
      : ["--webroot", `--webroot-path=${htdocs}`]),
    // Also with fewer names than before, under the same name.
    ...["--keep-until-expiring", "--renew-with-new-domains", `--cert-name=${domains[0]}`],
    ...domains.map((each) => `--domain=${each}`),
  ];
}

/** What the authority says of each domain, or else all that certbot says but its advice. */
function whyNot({ domains }: Certificate, printed: string): string {
  const problems = [...printed.matchAll(/Domain: (\S+)\s+Type: +\S+\s+Detail: (.*)/g)];
  const lines = printed
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^(Ask for help|Saving debug log|See the logfile)/.test(line));
  const said =
    problems.length > 0 ? problems.map(([, name, detail]) => `${name}: ${detail}`) : lines.slice(-5);
  return `there is no certificate for ${domains.join(", ")}; certbot says:\n${said.join("\n")}`;
}

async function certificateIn(
  target: PosixTarget,
  [first = ""]: readonly string[],
): Promise<X509Certificate | undefined> {
  const bytes = await target.readBytes(certificateFor(first));
  return bytes && new X509Certificate(bytes);
}

const namesIn = (certificate: X509Certificate): string[] =>
  (certificate.subjectAltName ?? "").split(", ").map((each) => each.replace(/^DNS:/, "").toLowerCase());

const isNamed = (certificate: X509Certificate, domains: readonly string[]): boolean =>
  sorted(namesIn(certificate)) === sorted(domains.map((each) => each.toLowerCase()));

const sorted = (names: readonly string[]): string => [...new Set(names)].sort().join();

/** certbot renews in the last third of the time for which a certificate counts, or in its last 30 days. */
function isDue({ validFrom, validTo }: X509Certificate): boolean {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return to - Date.now() < Math.min((to - from) / 3, 30 * 24 * 3600_000);
}

const flat = (names: readonly (string | readonly string[])[]): string[] => [...new Set(names.flat())];

/**
 * There is a certificate for `domains`, the first of which names it, with a third of its time, or 30 days, to go. Where there
 * is none, or one for other names, certbot obtains it: the authority looks for the answer to its challenge in the directory
 * `htdocs`, which must be served over http, at port 80, for each of the domains. certbot is installed, and renews the
 * certificate. No web server is configured: see `apache.httpsVhost`. The files are those of `letsEncrypt.fullchainFor` and
 * the like.
 *
 * @example letsEncrypt.certificateObtained(letsEncrypt.agreeTos(), "/var/www/html", "shop.example.org", "www.example.org")
 */
export const certificateObtained = defproplist({
  name: "letsEncrypt.certificateObtained",
  args: object({ agreeTos: agreement(), htdocs: absolutePath(), domains: domains() }),
  call: (agreeTos: AgreeTos, htdocs: string, ...domains: (string | string[])[]) => ({
    agreeTos,
    htdocs,
    domains: flat(domains),
  }),
  desc: ({ domains }) => `certificate for ${domains.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: (args) => [needed(installed()), obtained(args)],
});

/**
 * As `letsEncrypt.certificateObtained`, for a host without a web server: certbot answers the challenge at port 80 itself.
 *
 * @example letsEncrypt.certificateObtainedStandalone(letsEncrypt.agreeTos({ emailAddress: "root@example.org" }), "mail.example.org")
 */
export const certificateObtainedStandalone = defproplist({
  name: "letsEncrypt.certificateObtainedStandalone",
  args: object({ agreeTos: agreement(), domains: domains() }),
  call: (agreeTos: AgreeTos, ...domains: (string | string[])[]) => ({ agreeTos, domains: flat(domains) }),
  desc: ({ domains }) => `certificate for ${domains.join(", ")}, without a web server`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: (args) => [needed(installed()), obtained(args)],
});
