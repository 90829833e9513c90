/** What a host calls itself. */
import { defprop, defproplist, onChange, schema, seqprops, shared } from "consfigurator";
import { single } from "./cmd";
import { whenContained } from "./container";
import { containsConfTab, hasContent } from "./file";

const { hostname, object, optional } = schema;

/**
 * The host is called `name`, for the properties after this one. For a container that is made in place; nothing is done
 * on the machine: see `hostname.configured`.
 *
 * @example hostname.is("build.example.org")
 */
export const is = defprop({
  name: "hostname.is",
  kind: "posix",
  args: object({ name: hostname() }),
  call: (name: string) => ({ name }),
  desc: ({ name }) => `is ${name}`,
  hostattrs: ({ name }, host) => host.push(shared.hostname, name),
});

/**
 * The machine calls itself by the first part of `name`, which is the name of the host unless given: now (in a container
 * only where the host name is its own) and after a reboot. /etc/hosts has the addresses for it.
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
