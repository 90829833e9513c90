/** The configuration of a site that is reached over https. Pure: options in, lines out. */
import { fullchainFor, privkeyFor } from "./_letsEncryptFiles";

export interface VhostOptions {
  readonly domain: string;
  readonly htdocs: string;
  readonly aliases: readonly string[];
  /** Lines for both ports, before the redirection. */
  readonly additionalConfig: readonly string[];
  readonly additionalConfigHttps: readonly string[];
  readonly stapling: boolean;
}

/**
 * The certificate is used once it is there: until then only port 80 is served, where the certificate authority looks for the
 * answer to its challenge. Everything else is redirected to https.
 */
export function httpsVhostLines(options: VhostOptions): string[] {
  const { domain, htdocs, aliases, additionalConfig, additionalConfigHttps, stapling } = options;
  const common = [
    `DocumentRoot "${htdocs}"`,
    `ErrorLog \${APACHE_LOG_DIR}/${domain}-error.log`,
    "LogLevel warn",
    `CustomLog \${APACHE_LOG_DIR}/${domain}-access.log combined`,
    "ServerSignature on",
    `<Directory "${htdocs}">`,
    "Require all granted",
    "</Directory>",
  ];
  const https = [
    `<IfFile "${fullchainFor(domain)}">`,
    "<VirtualHost *:443>",
    `ServerName ${domain}:443`,
    ...aliases.map((alias) => `ServerAlias ${alias}`),
    ...common,
    "SSLEngine on",
    `SSLCertificateFile "${fullchainFor(domain)}"`,
    `SSLCertificateKeyFile "${privkeyFor(domain)}"`,
    ...(stapling ? ["SSLUseStapling on"] : []),
    ...additionalConfig,
    ...additionalConfigHttps,
    "</VirtualHost>",
    "</IfFile>",
  ];
  const http = (name: string) => [
    "",
    "<VirtualHost *:80>",
    `ServerName ${name}:80`,
    ...common,
    "RewriteEngine On",
    "RewriteRule ^/\\.well-known/acme-challenge(/.*)?$ - [L]",
    `<Directory "${htdocs}/.well-known/acme-challenge/">`,
    "Require all granted",
    "</Directory>",
    ...additionalConfig,
    "RewriteRule (.*) https://%{SERVER_NAME}$1 [R=301,L,NE]",
    "</VirtualHost>",
  ];
  return [...https, ...[domain, ...aliases].flatMap(http)];
}
