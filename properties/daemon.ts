/** Custom services, run by systemd. */
import { defprop, schema } from "consfigurator";
import { Daemon } from "./_daemon";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { absolutePath, account, boolean, integer, line, list, object, optional, record, string } = schema;

const name = () =>
  string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    maxLength: 64,
    description: 'the name of a service, such as "cool-web-service"',
  });
const options = {
  /** The program to run; `/usr/local/bin/<name>` unless given. */
  executable: optional(absolutePath()),
  description: optional(line()),
  /**
   * Addresses as in systemd.socket(5), such as "127.0.0.1:1234" or "/run/web.sock": systemd listens there and passes
   * the sockets to the service as descriptors 3 and up. Clients that connect while the service restarts wait, and are
   * not refused.
   */
  listen: optional(list(string({ pattern: "^\\S+$", description: 'an address, such as "127.0.0.1:1234"' }))),
  /**
   * Lines of [Socket], see systemd.socket(5), for `listen`. Every user may connect to a Unix socket unless it says
   * otherwise: `{ SocketMode: "0660", SocketGroup: "www-data" }`.
   */
  socketSettings: optional(record(line())),
  /** The service is healthy when GET on this URL returns a status below 400. */
  healthy: optional(string({ pattern: "^https?://\\S+$", description: "an http or https URL" })),
  /** Seconds within which the service must become healthy; 10 unless given. */
  patience: optional(integer({ minimum: 1, maximum: 600 })),
  /** Seconds that it must stay healthy, without a restart or another answer, before the step succeeds; 2 unless given. */
  steady: optional(integer({ minimum: 0, maximum: 600 })),
  /** The account that runs the service; a dynamic one, see systemd.exec(5), unless given. */
  user: optional(account()),
  environment: optional(record(string({ pattern: "^[^\\u0000]*$", description: "text" }))),
  /** True: the service has a directory for its data, /var/lib/<name>, which $STATE_DIRECTORY names. */
  state: optional(boolean()),
  /** Lines of [Service], see systemd.exec(5). They are added to the defaults or replace them. */
  settings: optional(record(line())),
};
const args = object({ name: name(), ...options });
type Args = schema.Infer<typeof args>;
export type DaemonOptions = Omit<Args, "name">;

/**
 * `executable` runs as the systemd service `name`, from boot on, under an account of its own and restricted to what a
 * network service needs. It is restarted only when the executable or these options change, and must become healthy, and
 * stay so for `steady` seconds, before the step succeeds. With `listen`, a new version is tried first beside the running
 * one, at another address and with a copy of its data (up to 64 MB): one that is not healthy there never replaces it.
 * Otherwise, or if it is not healthy in its place, the last healthy executable and units are restored and started again.
 * Either way the step fails with the reason and the last lines of its log, the failed version is kept below
 * /usr/local/lib/consfigurator/broken, and a deployment that repeats itself does not try it again. A service that systemd
 * keeps restarting fails the step, too. Where services are inhibited it is not started. Do not put secrets into
 * `environment`: everyone can read units.
 *
 * @example daemon.running("cool-web-service", { listen: ["127.0.0.1:1234"], healthy: "http://127.0.0.1:1234/" })
 */
export const running = defprop({
  name: "daemon.running",
  kind: "agent",
  args,
  call: (name: string, options: DaemonOptions = {}): Args => ({ name, ...options }),
  desc: ({ name }) => `${name} runs`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  // No `check`: unapplying must remove the service even if it differs from these arguments.
  apply: async (args, target) => {
    await needsRoot(target, "daemon.running");
    return new Daemon(target, specOf(args)).apply();
  },
  unapply: async (args, target) => {
    await needsRoot(target, "daemon.running");
    return new Daemon(target, specOf(args)).unapply();
  },
});

const specOf = (args: Args) => ({ ...args, executable: args.executable ?? `/usr/local/bin/${args.name}` });
