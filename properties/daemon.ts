/** Services of one's own, run by systemd. */
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
  /** What is run; `/usr/local/bin/<name>` unless given. */
  executable: optional(absolutePath()),
  description: optional(line()),
  /**
   * Addresses as in systemd.socket(5), such as "127.0.0.1:1234" or "/run/web.sock": systemd listens there, and gives the
   * service what it listens with as descriptor 3 and up. Who connects while the service restarts waits, and is not refused.
   */
  listen: optional(list(string({ pattern: "^\\S+$", description: 'an address, such as "127.0.0.1:1234"' }))),
  /** A GET of this is answered with a status below 400 when the service is healthy. */
  healthy: optional(string({ pattern: "^https?://\\S+$", description: "an http address" })),
  /** Seconds that it may take to become healthy: 10 unless given. */
  patience: optional(integer({ minimum: 1, maximum: 600 })),
  /** The account it runs as; unless given, one of its own that is there while it runs. */
  user: optional(account()),
  environment: optional(record(string({ pattern: "^[^\\u0000]*$", description: "text" }))),
  /** True: it has a directory of its own for what it keeps, /var/lib/<name>, which $STATE_DIRECTORY names. */
  state: optional(boolean()),
  /** Lines of [Service], see systemd.exec(5), besides the usual ones and in place of them. */
  settings: optional(record(line())),
};
const args = object({ name: name(), ...options });
type Args = schema.Infer<typeof args>;
export type DaemonOptions = Omit<Args, "name">;

/**
 * `executable` runs as the systemd service `name`, from boot on, as an account of its own and with access to nothing that
 * a process which serves and computes can do without. It is restarted when, and only when, the executable or what is
 * said here has changed, and has become healthy before this is done. When it does not, executable and units that were
 * healthy last are put back and run again; the step fails and says why; what failed is kept below
 * /usr/local/lib/consfigurator/broken. Where services are inhibited it is not started. Secrets do not belong into
 * `environment`: units can be read by everybody.
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
  // No `check`: what is there is taken away by unapplying it, whether or not it is as said here.
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
