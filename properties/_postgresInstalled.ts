/** The packages of PostgreSQL. */
import { defproplist, type HostFacts, schema } from "consfigurator";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";

/**
 * The server and the client of PostgreSQL are installed.
 *
 * @example postgres.installed()
 */
export const installed = defproplist({
  name: "postgres.installed",
  args: schema.object({}),
  call: () => ({}),
  desc: () => "PostgreSQL installed",
  hostattrs: (_args, host: HostFacts) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("postgresql", "postgresql-client")],
});
