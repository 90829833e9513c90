/** The consent to what a certificate authority demands, and where certbot keeps certificates. */
import { schema } from "consfigurator";

const { object, oneOf, optional, string } = schema;

export const agreement = () =>
  object({
    agreedToTerms: oneOf("yes"),
    emailAddress: optional(
      string({
        pattern: "^[^@\\s,-][^@\\s,]*@[^@\\s,]+$",
        description: 'an address, such as "root@example.org"',
      }),
    ),
    server: optional(
      string({
        pattern: "^https://\\S+$",
        description:
          'the directory of an ACME server, such as "https://acme-staging-v02.api.letsencrypt.org/directory"',
      }),
    ),
  });

/** The consent to the terms of an authority: see `letsEncrypt.agreeTos`. */
export type AgreeTos = schema.Infer<ReturnType<typeof agreement>>;

const live = (domain: string, name: string): string => `/etc/letsencrypt/live/${domain}/${name}.pem`;

/** The file with the certificate of `domain` and those between it and a root. */
export const fullchainFor = (domain: string): string => live(domain, "fullchain");
/** The file with the certificates between that of `domain` and a root. */
export const chainFor = (domain: string): string => live(domain, "chain");
/** The file with the certificate of `domain` alone. */
export const certificateFor = (domain: string): string => live(domain, "cert");
/** The file with the private key for the certificate of `domain`. */
export const privkeyFor = (domain: string): string => live(domain, "privkey");
