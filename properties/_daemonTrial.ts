/** Tries a new version of a daemon beside the running one, at another address. */

import net from "node:net";
import type { AgentTarget } from "consfigurator";
import { serviceUnit, socketUnit, type UnitOptions } from "./_daemonUnits";
import { type Address, DEFAULT_PATIENCE, DEFAULT_STEADY, type Health, unhealthy } from "./_health";
import { journalOf } from "./_unitState";

/** Not kept over a reboot. */
const UNITS = "/run/systemd/system";
/** A copy of more data than this, in kB, takes too long. */
const MAX_STATE_KB = 64 * 1024;
/** Settings that two instances cannot share, or that do more than start the service. */
const EXCLUSIVE = /^(Exec(?!Start$)|PIDFile$|BusName$|Sockets$|FileDescriptor|.*(?<!Working|Root)Directory$)/;

/** Why a new version is broken, and its log. */
export interface Failed {
  readonly reason: string;
  readonly log: string;
}

interface TrialAddress {
  readonly listen: string;
  /** For an address of the network: the port in URLs of the service, and where the trial listens instead. */
  readonly moved?: { readonly from: number; readonly to: Address };
}

/**
 * Whether `daemon` can run twice: it must take its addresses from systemd, and have nothing that only one process can
 * have.
 */
export const canBeTried = ({ listen = [], settings = {} }: UnitOptions): boolean =>
  listen.length > 0 &&
  listen.every((address) => hostAndPort(address) !== undefined || isPath(address)) &&
  !Object.keys(settings).some((key) => EXCLUSIVE.test(key)) &&
  !/^(oneshot|forking|dbus)$/.test(settings["Type"] ?? "");

/**
 * Runs the daemon beside the one that serves, at another address and with a copy of its data, until it is seen to be
 * healthy or not. Undefined: it is healthy, or cannot be tried: its data is too large to be copied.
 */
export async function triedBeside(
  target: AgentTarget,
  daemon: UnitOptions & Health,
): Promise<Failed | undefined> {
  const name = `${daemon.name}-trial`;
  const addresses = await Promise.all((daemon.listen ?? []).map(trialAddress));
  const { patience = DEFAULT_PATIENCE, steady = DEFAULT_STEADY } = daemon;
  const trial: UnitOptions = {
    ...daemon,
    name,
    description: `${daemon.description ?? daemon.name} (trial of a new version)`,
    listen: addresses.map(({ listen }) => listen),
    startsOnce: true,
    // It ends by itself if this deployment is killed.
    settings: { ...daemon.settings, Restart: "no", RuntimeMaxSec: String(patience + steady + 60) },
  };
  try {
    const script = `${removal}\n${start}`;
    const words = ["sh", "-c", script, "sh", daemon.name, serviceUnit(trial), socketUnit(trial)];
    // A plan does not go on with what this command has not printed.
    const { stdout } = await target.run([...words, daemon.state ? "state" : ""], {
      mayFail: true,
      inform: false,
      predict: async () => ({ exit: 1 }),
    });
    if (!stdout.endsWith(`${STARTED}\n`)) return undefined;
    const reason = await unhealthy(target, `${name}.service`, ...asked(daemon, addresses));
    return reason === undefined ? undefined : { reason, log: await journalOf(target, `${name}.service`) };
  } finally {
    await removeTrial(target, daemon.name);
  }
}

/** Whether a trial of the daemon `name`, whose deployment was killed, has left anything. */
export async function hasTrial(target: AgentTarget, name: string): Promise<boolean> {
  const paths = [
    `${UNITS}/${name}-trial.service`,
    `/var/lib/${name}-trial`,
    `/var/lib/private/${name}-trial`,
  ];
  return (await Promise.all(paths.map((each) => target.lstat(each)))).some(Boolean);
}

/** Ends a trial of the daemon `name`, and removes what it has left. */
export async function removeTrial(target: AgentTarget, name: string): Promise<void> {
  await target.run(["sh", "-c", removal, "sh", name], {
    mayFail: true,
    inform: false,
    predict: async () => ({ exit: 0 }),
  });
}

/** Argument: the name of the daemon. */
const removal = `trial=$1-trial
if [ -e "${UNITS}/$trial.service" ] || [ -e "${UNITS}/$trial.socket" ]; then
  systemctl stop "$trial.service" "$trial.socket"
  rm -f "${UNITS}/$trial.service" "${UNITS}/$trial.socket"
  systemctl daemon-reload
  systemctl reset-failed "$trial.service" "$trial.socket"
fi 2>/dev/null
rm -rf "/var/lib/$trial" "/var/lib/private/$trial"`;

/** The last word of a trial that has started. */
const STARTED = "started";

/** Further arguments: the units, and whether there is data. What the service removes while it is copied is no failure. */
const start = `if [ "$4" = state ] && [ -e "/var/lib/$1" ]; then
  [ "$(du -skL "/var/lib/$1" | cut -f 1)" -le ${MAX_STATE_KB} ] || exit 1
  directory=$(realpath "/var/lib/$1") || exit 1
  cp -aT "$directory" "$directory-trial" 2>/dev/null
fi
mkdir -p ${UNITS} && printf %s "$2" >"${UNITS}/$trial.service" && printf %s "$3" >"${UNITS}/$trial.socket" &&
systemctl daemon-reload && systemctl start "$trial.socket" && systemctl start --no-block "$trial.service" && echo ${STARTED}`;

/** How the trial's health is asked. A URL whose port is none of the daemon's cannot be asked of the trial. */
function asked(daemon: Health, addresses: readonly TrialAddress[]): [Health, Address?] {
  if (daemon.healthy === undefined) return [daemon];
  const { port, protocol } = new URL(daemon.healthy);
  const wanted = Number(port || (protocol === "https:" ? 443 : 80));
  const moved = addresses.find((address) => address.moved?.from === wanted)?.moved;
  return moved ? [daemon, moved.to] : [{ ...daemon, healthy: undefined }];
}

async function trialAddress(address: string): Promise<TrialAddress> {
  const found = hostAndPort(address);
  if (!found) return { listen: `${address}.trial` };
  const host = found.host.includes(":") ? "::1" : "127.0.0.1";
  const port = await freePort(host);
  return {
    listen: host === "::1" ? `[::1]:${port}` : `${host}:${port}`,
    moved: { from: found.port, to: { host, port } },
  };
}

const isPath = (address: string): boolean => address.startsWith("/");

/** Undefined for an address that is not one of TCP. */
function hostAndPort(address: string): { host: string; port: number } | undefined {
  const [, six, four, port] = /^(?:\[([0-9a-fA-F:.]+)\]:|([0-9.]+):)?(\d+)$/.exec(address) ?? [];
  return port === undefined ? undefined : { host: six ?? four ?? "127.0.0.1", port: Number(port) };
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, host, () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
