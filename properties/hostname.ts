/** The name of a host. */
import {
  AbortedChange,
  defprop,
  defproplist,
  type HostFacts,
  InapplicableProperty,
  onChange,
  type PosixTarget,
  schema,
  seqprops,
  shared,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { needsRoot } from "./_needs";
import { single } from "./cmd";
import { whenContained } from "./container";
import { existsWithContent, hasContent } from "./file";
import * as hosts from "./hosts";

const { hostname, list, object, optional } = schema;

/**
 * Declares that the host is named `name`, for the properties after this one. For a container that is built in place. It
 * does not change the machine: see `hostname.configured`.
 *
 * @example hostname.is("build.example.org")
 */
export const is = defprop({
  name: "hostname.is",
  kind: "posix",
  args: object({ name: hostname() }),
  call: (name: string) => ({ name }),
  desc: ({ name }) => `is named ${name}`,
  hostattrs: ({ name }, host) => host.push(shared.hostname, name),
});

/**
 * The machine's host name is the first part of `name`, which is the name of the host unless given. It takes effect at
 * once (in a container only if its host name is contained) and after a reboot. /etc/hosts has an entry for it; other names stay.
 *
 * @example hostname.configured()
 */
export const configured = defproplist({
  name: "hostname.configured",
  args: object({ name: optional(hostname()) }),
  call: (name?: string) => ({ ...(name !== undefined && { name }) }),
  desc: ({ name }) => `host name ${name ?? "configured"}`,
  hostattrs: ({ name }, host) => {
    if (name !== undefined) host.push(shared.hostname, name);
  },
  parts: (_args, host) => {
    const short = host.name.replace(/\..*/, "");
    const full = host.name === short ? [] : [hosts.has("127.0.1.1", host.name, short)];
    return [
      seqprops(
        onChange(hasContent("/etc/hostname", short), whenContained(["hostname"], single("hostname", short))),
        ...full,
        hosts.has("127.0.0.1", "localhost"),
      ),
    ];
  },
});

/**
 * Mail that is sent from this machine comes from `name`, which is the name of the host unless given: /etc/mailname says so.
 * Unapplying it deletes the file.
 *
 * @example hostname.mailnameConfigured("example.org")
 */
export const mailnameConfigured = defproplist({
  name: "hostname.mailnameConfigured",
  args: object({ name: optional(hostname()) }),
  call: (name?: string) => ({ ...(name !== undefined && { name }) }),
  desc: ({ name }) => `mail name ${name ?? "configured"}`,
  parts: ({ name }, host) => [existsWithContent("/etc/mailname", name ?? host.name)],
});

const RESOLVER = "/etc/resolv.conf";

const searches = (line: string): boolean => /^\s*(search|domain)(\s|$)/.test(line);

/** The domain of a host, in which other hosts have short names. */
function domainOf(host: HostFacts): string {
  const [, domain] = /^[^.]*\.(.+)$/.exec(host.name) ?? [];
  if (domain !== undefined) return domain;
  throw new InapplicableProperty(
    `${host.name} has no domain in its name; name one, as in hostname.searchConfigured("example.org")`,
  );
}

/** What systemd-resolved and others write there, they soon write again. */
async function refuseGenerated(target: PosixTarget): Promise<void> {
  const link = await target.readLink(RESOLVER);
  if (link === undefined) return;
  const advice = link.includes("systemd/resolve")
    ? "let systemd-resolved have it with Domains= in /etc/systemd/resolved.conf.d, or make it a file first"
    : "tell the program that writes it, or make it a file first";
  throw new AbortedChange(`${RESOLVER} is a link to ${link}, which another program writes; ${advice}`);
}

/**
 * Names without a dot are looked up in `domains`: /etc/resolv.conf has them in its only `search` line. Without `domains`, in
 * that of the name of the host. A resolv.conf that is a link, to what another program writes, is refused. Unapplying it
 * removes the line.
 *
 * @example hostname.searchConfigured("example.org", "internal.example.org")
 */
export const searchConfigured = defprop({
  name: "hostname.searchConfigured",
  kind: "posix",
  args: object({ domains: list(hostname()) }),
  call: (...domains: string[]) => ({ domains }),
  desc: ({ domains }) => `short names in ${domains.length > 0 ? domains.join(", ") : "its own domain"}`,
  hostattrs: ({ domains }, host) => {
    if (domains.length === 0) domainOf(host);
  },
  apply: async ({ domains }, target) => {
    await needsRoot(target, "hostname.searchConfigured");
    await refuseGenerated(target);
    const line = `search ${(domains.length > 0 ? domains : [domainOf(target.host)]).join(" ")}`;
    return withCreatedNoted(target, RESOLVER, () =>
      target.editLines(RESOLVER, (lines) => {
        const at = lines.findIndex(searches);
        const rest = lines.filter((each) => !searches(each));
        return at < 0 ? [line, ...rest] : rest.toSpliced(at, 0, line);
      }),
    );
  },
  unapply: async (_args, target) => {
    await needsRoot(target, "hostname.searchConfigured");
    await refuseGenerated(target);
    return withCreatedRemoved(target, RESOLVER, () =>
      target.editLines(RESOLVER, (lines) => lines.filter((each) => !searches(each))),
    );
  },
});
