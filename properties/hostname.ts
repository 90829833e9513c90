/** The name of a host. */
import { defprop, defproplist, onChange, schema, seqprops, shared } from "consfigurator";
import { single } from "./cmd";
import { whenContained } from "./container";
import { containsConfTab, hasContent } from "./file";

const { hostname, object, optional } = schema;

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
 * once (in a container only if its host name is contained) and after a reboot. /etc/hosts has an entry for it.
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
    const full = host.name === short ? {} : { "127.0.1.1": `${host.name} ${short}` };
    return [
      seqprops(
        onChange(hasContent("/etc/hostname", short), whenContained(["hostname"], single("hostname", short))),
        containsConfTab("/etc/hosts", { ...full, "127.0.0.1": "localhost" }),
      ),
    ];
  },
});
