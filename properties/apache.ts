/** The web server Apache, on Debian and its derivatives. */
import { defprop, defproplist, eseqprops, type HostFacts, onChange, schema, shared } from "consfigurator";
import { enabled, file } from "./_apacheConfig";
import { httpsVhostLines } from "./_apacheVhost";
import { type AgreeTos, agreement } from "./_letsEncryptFiles";
import { content, type Lines, wholeText } from "./_lines";
import { needed } from "./_needs";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";
import { existsWithContent } from "./file";
import { certificateObtained } from "./letsEncrypt";
import { isInhibited, reloaded as serviceReloaded } from "./service";

const { boolean, hostname, line, list, object, optional, string } = schema;

const itemName = (description: string) => string({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$", description });
const moduleName = () => itemName('a module of Apache, such as "rewrite"');
const confName = () => itemName('the name of a configuration, such as "security"');
const siteName = () => itemName('the name of a site, such as "shop.example.org"');

const debianlike = (_args: unknown, host: HostFacts): void => os.required(host, "debianlike");

/**
 * Apache is installed.
 *
 * @example apache.installed()
 */
export const installed = defproplist({
  name: "apache.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "Apache installed",
  hostattrs: debianlike,
  parts: () => [aptInstalled("apache2")],
});

/**
 * Makes Apache use its configuration as it is now, each time it is applied, so use it in `onChange`: see `service.reloaded`.
 * The other properties of `apache` do so themselves.
 *
 * @example onChange(file.hasContent("/etc/apache2/ports.conf", ["Listen 8080"]), apache.reloaded())
 */
export const reloaded = defproplist({
  name: "apache.reloaded",
  args: object({}),
  call: () => ({}),
  desc: () => "Apache reloaded",
  hostattrs: debianlike,
  parts: () => [serviceReloaded("apache2")],
});

/**
 * Apache is installed, has the module `name` and the modules that it needs, and has been reloaded. Apache judges its
 * configuration with the module before; a module that is not there is refused. Unapplying it disables the module, not those
 * that it needs, unless the configuration needs it.
 *
 * @example apache.modEnabled("rewrite")
 */
export const modEnabled = defproplist({
  name: "apache.modEnabled",
  args: object({ name: moduleName() }),
  call: (name: string) => ({ name }),
  desc: ({ name }) => `Apache has the module ${name}`,
  hostattrs: debianlike,
  parts: ({ name }) => [
    needed(installed()),
    onChange(enabled({ kind: "mod", name, property: "apache.modEnabled" }), reloaded()),
  ],
});

const textOf = (config: Lines) => wholeText(config);

/**
 * The file /etc/apache2/conf-available/`name`.conf has `config`. Apache need not be installed, and is not reloaded; where the
 * configuration is enabled, Apache judges the new content before it is put in place. Unapplying it deletes the file.
 *
 * @example apache.confAvailable("timeouts", ["Timeout 30"])
 */
export const confAvailable = defproplist({
  name: "apache.confAvailable",
  args: object({ name: confName(), config: content() }),
  call: (name: string, config: Lines) => ({ name, config }),
  desc: ({ name }) => `configuration ${name} available`,
  hostattrs: debianlike,
  parts: ({ name, config }) => [
    file({ kind: "conf", name, text: textOf(config), property: "apache.confAvailable" }),
  ],
});

/**
 * Apache is installed, uses the configuration /etc/apache2/conf-available/`name`.conf, which has `config` if that is given,
 * and has been reloaded. Apache judges its whole configuration before anything is enabled or replaced. Unapplying it disables
 * the configuration, and deletes the file if `config` is given.
 *
 * @example apache.confEnabled("timeouts", ["Timeout 30"])
 */
export const confEnabled = defproplist({
  name: "apache.confEnabled",
  args: object({ name: confName(), config: optional(content()) }),
  call: (name: string, config?: Lines) => ({ name, ...(config !== undefined && { config }) }),
  desc: ({ name }) => `Apache uses the configuration ${name}`,
  hostattrs: debianlike,
  parts: ({ name, config }) => enabledParts("conf", name, config, "apache.confEnabled"),
});

/**
 * As `apache.confAvailable`, for the site /etc/apache2/sites-available/`domain`.conf.
 *
 * @example apache.siteAvailable("shop.example.org", ["<VirtualHost *:80>", "ServerName shop.example.org", "</VirtualHost>"])
 */
export const siteAvailable = defproplist({
  name: "apache.siteAvailable",
  args: object({ domain: siteName(), config: content() }),
  call: (domain: string, config: Lines) => ({ domain, config }),
  desc: ({ domain }) => `site ${domain} available`,
  hostattrs: debianlike,
  parts: ({ domain, config }) => [
    file({ kind: "site", name: domain, text: textOf(config), property: "apache.siteAvailable" }),
  ],
});

/**
 * As `apache.confEnabled`, for the site /etc/apache2/sites-available/`domain`.conf: Apache serves it.
 *
 * @example apache.siteEnabled("shop.example.org", ["<VirtualHost *:80>", "ServerName shop.example.org", "DocumentRoot /srv/shop", "</VirtualHost>"])
 * @example unapplied(apache.siteEnabled("000-default"))
 */
export const siteEnabled = defproplist({
  name: "apache.siteEnabled",
  args: object({ domain: siteName(), config: optional(content()) }),
  call: (domain: string, config?: Lines) => ({ domain, ...(config !== undefined && { config }) }),
  desc: ({ domain }) => `Apache serves ${domain}`,
  hostattrs: debianlike,
  parts: ({ domain, config }) => enabledParts("site", domain, config, "apache.siteEnabled"),
});

const enabledParts = (kind: "conf" | "site", name: string, config: Lines | undefined, property: string) => [
  needed(installed()),
  onChange(
    eseqprops(
      ...(config === undefined ? [] : [file({ kind, name, text: textOf(config), property })]),
      enabled({ kind, name, property }),
    ),
    reloaded(),
  ),
];

/** A path that can stand between double quotes. */
const htdocs = () =>
  string({
    pattern: '^/[^\\u0000\\n"\\\\]*[^\\u0000\\n"\\\\/]$',
    description: "an absolute path without quotes",
  });

const vhostArgs = object({
  domain: hostname(),
  htdocs: htdocs(),
  agreeTos: agreement(),
  aliases: optional(list(hostname())),
  additionalConfig: optional(list(line())),
  additionalConfigHttps: optional(list(line())),
  stapling: optional(boolean()),
});
type Vhost = schema.Infer<typeof vhostArgs>;

/** Certificates that are renewed are used at once. Renewals run these scripts when they were successful. */
const renewalHook = existsWithContent(
  "/etc/letsencrypt/renewal-hooks/deploy/reload-apache",
  ["#!/bin/sh", "service apache2 reload"],
  { mode: 0o755 },
);

const obtained = defprop({
  name: "apache._certificateUsed",
  kind: "posix",
  args: vhostArgs,
  desc: ({ domain }) => `Apache has a certificate for ${domain}`,
  inline: true,
  hostattrs: () => {},
  apply: async ({ agreeTos, htdocs, domain, aliases = [] }, target, steps) => {
    // Nobody could answer the challenge.
    if (isInhibited(target)) return "unchanged";
    return steps.apply(onChange(certificateObtained(agreeTos, htdocs, domain, aliases), reloaded()));
  },
});

/**
 * Apache serves the directory `htdocs` as `domain` and each of `aliases`, over https with a certificate from Let's Encrypt,
 * or the authority that `agreeTos` names; what is asked for over http is redirected. The first time, only http is served
 * until the certificate is there; a renewed one is used at once. The names must lead to the host from the internet. `htdocs`
 * must exist, and may be read by everybody through Apache, as may its `.well-known/acme-challenge`.
 *
 * Lines of `additionalConfig` stand in the site for both protocols, before the redirection, which they can make exceptions
 * from; those of `additionalConfigHttps` only in that for https. `stapling: true` staples answers of OCSP, which Let's
 * Encrypt no longer gives. The names are recorded as aliases of the host. Where services are inhibited, no certificate is
 * obtained. Unapplying it removes the site; modules and certificate stay.
 *
 * @example apache.httpsVhost("shop.example.org", "/srv/shop", letsEncrypt.agreeTos({ emailAddress: "root@example.org" }), { aliases: ["www.example.org"] })
 */
export const httpsVhost = defproplist({
  name: "apache.httpsVhost",
  args: vhostArgs,
  call: (
    domain: string,
    htdocs: string,
    agreeTos: AgreeTos,
    options: Omit<Vhost, "domain" | "htdocs" | "agreeTos"> = {},
  ) => ({ domain, htdocs, agreeTos, ...options }),
  desc: ({ domain }) => `Apache serves ${domain} over https`,
  hostattrs: ({ domain, aliases = [] }, host) => {
    os.required(host, "debianlike");
    for (const name of [domain, ...aliases]) if (name !== host.name) host.pushNew(shared.aliases, name);
  },
  parts: (args) => {
    const {
      domain,
      aliases = [],
      additionalConfig = [],
      additionalConfigHttps = [],
      stapling = false,
    } = args;
    const cache = ["SSLStaplingCache shmcb:${APACHE_RUN_DIR}/stapling(128000)"];
    const options = { ...args, aliases, additionalConfig, additionalConfigHttps, stapling };
    return [
      needed(
        eseqprops(
          modEnabled("ssl"),
          ...(stapling ? [confEnabled("stapling", cache)] : []),
          modEnabled("rewrite"),
        ),
      ),
      siteEnabled(domain, httpsVhostLines(options)),
      needed(eseqprops(obtained(args), renewalHook)),
    ];
  },
});
