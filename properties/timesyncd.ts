/** The clock of the host, kept by systemd-timesyncd. */
import { defprop, defproplist, onChange, schema } from "consfigurator";
import * as os from "./_os";
import { ownFile } from "./_ownFile";
import { restarted } from "./service";

const { list, object, optional, string } = schema;

const server = () =>
  string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9.:-]*$",
    description: 'a server of time, such as "time.example.org"',
  });
const settingsArgs = object({ servers: list(server(), { minItems: 1 }), fallback: optional(list(server())) });

const file = defprop({
  name: "timesyncd._settings",
  ...ownFile({ needs: { program: "/lib/systemd/systemd-timesyncd", package: "systemd-timesyncd" } }),
});

/**
 * systemd-timesyncd asks `servers` for the time, or those of `fallback` when none is known: by a file of its own in
 * /etc/systemd/timesyncd.conf.d. It is restarted when they have changed. It must be installed. A host has one such property.
 * Unapplying it removes the file.
 *
 * @example timesyncd.configured(["0.pool.ntp.org", "1.pool.ntp.org"])
 */
export const configured = defproplist({
  name: "timesyncd.configured",
  args: settingsArgs,
  call: (servers: readonly string[], options: { readonly fallback?: readonly string[] } = {}) => ({
    servers: [...servers],
    ...(options.fallback && { fallback: [...options.fallback] }),
  }),
  desc: ({ servers }) => `time from ${servers.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  parts: ({ servers, fallback }) => {
    const lines = [
      "[Time]",
      `NTP=${servers.join(" ")}`,
      ...(fallback ? [`FallbackNTP=${fallback.join(" ")}`] : []),
    ];
    const text = lines.map((line) => `${line}\n`).join("");
    const path = "/etc/systemd/timesyncd.conf.d/90-consfigurator.conf";
    return [onChange(file({ path, text, property: "timesyncd.configured" }), restarted("systemd-timesyncd"))];
  },
});
