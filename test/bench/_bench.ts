/** Shared by the measurements: a consfig, machines behind links with a chosen delay, deployments to them. */

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { controllerArtifacts } from "../../lib/controller/artifacts";
import { deploy } from "../../lib/controller/deploy";
import { session } from "../../lib/controller/session";
import type { Hop } from "../../lib/model/hop";
import { type Host, HostModel } from "../../lib/model/host";
import type { Report } from "../../lib/model/report";
import { type Consfig, openConsfig } from "../../lib/source/consfig";
import { agent, ssh } from "../../lib/via";
import { type Machine, writeKnownHosts } from "../support/machines";
import { type DelayProxy, delayProxy } from "../support/proxy";

/** An editable copy of the consfig beside this file, open in this session. */
export interface Workspace extends Disposable {
  readonly root: string;
  readonly consfig: Consfig;
  host(name: "six" | "hundred" | "server"): Host;
}

export function openWorkspace(): Workspace {
  const root = mkdtempSync(path.join(tmpdir(), "consfig-bench-"));
  cpSync(path.join(__dirname, "consfig"), root, { recursive: true });
  const consfig = openConsfig(root);
  session.consfig = consfig;
  const { error } = consfig.refresh();
  if (error) throw error;
  return {
    root,
    consfig,
    host: (name) => consfig.scope()[name] as Host,
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A machine's sshd behind a slow link that counts bytes. */
export interface Link extends AsyncDisposable {
  readonly proxy: DelayProxy;
  readonly hops: readonly Hop[];
}

export async function linkTo(machine: Machine, roundTripMs: number, bitsPerSecond?: number): Promise<Link> {
  const to = { host: machine.address, port: machine.port };
  const proxy = await delayProxy({ to, roundTripMs, ...(bitsPerSecond && { bitsPerSecond }) });
  const config = sshConfig(machine, `[127.0.0.1]:${proxy.port}`);
  const { identity } = machine;
  return {
    proxy,
    hops: [ssh({ user: "root", hop: proxy.host, port: proxy.port, identity, config }), agent()],
    [Symbol.asyncDispose]: () => proxy.close(),
  };
}

/** Hops to `machine` without a proxy. */
export function hopsTo(machine: Machine): readonly Hop[] {
  const { address, identity } = machine;
  return [ssh({ user: "root", hop: address, identity, config: sshConfig(machine, address) }), agent()];
}

function sshConfig(machine: Machine, name: string): string {
  const directory = path.dirname(machine.knownHosts);
  const knownHosts = path.join(directory, `known_hosts-${name.replaceAll(/\W+/g, "-")}`);
  writeKnownHosts(knownHosts, machine, [name]);
  writeFileSync(`${knownHosts}.config`, `Host *\n  UserKnownHostsFile ${knownHosts}\n`);
  return `${knownHosts}.config`;
}

/** One deployment, and the milliseconds from the call to the report. Throws when it fails. */
export async function timed(host: Host, hops: readonly Hop[]): Promise<{ ms: number; report: Report }> {
  const started = performance.now();
  const report = await deploy(host, ...hops);
  const ms = performance.now() - started;
  return { ms, report: reportOf(host, report) };
}

/** `report`, which must be that of a success. `changes`: how many steps must have changed something; default: any number. */
export function reportOf(host: Host, report: Report, changes?: number): Report {
  if (!report.ok) {
    const failed = report.failed.map(({ desc, failure }) => `${desc}: ${failure?.message}`);
    throw new Error(`${host.name}: ${report.failure?.message ?? failed.join("; ")}`);
  }
  const changed = report.changed.map(({ desc }) => desc);
  if (changes !== undefined && changed.length !== changes)
    throw new Error(`expected ${changes} changes on ${host.name}, got: ${changed.join(", ") || "none"}`);
  return report;
}

/** Like `timed`, for a host where everything holds already. */
export async function timedUnchanged(host: Host, hops: readonly Hop[]): Promise<number> {
  const { ms, report } = await timed(host, hops);
  reportOf(host, report, 0);
  return ms;
}

/** L1: milliseconds to run `true` over the ssh connection that deployments to `host` use. */
export async function timeTrue(host: Host, hops: readonly Hop[]): Promise<number> {
  const { connection, release } = await session.connections.lease(hops, {
    artifacts: controllerArtifacts,
    host: HostModel.named(host.name),
    ask: undefined,
    signal: new AbortController().signal,
    progress: () => {},
  });
  try {
    const started = performance.now();
    const channel = await connection.exec("true", { startsAtOnce: true });
    channel.stdin.end();
    const [exit] = await Promise.all([channel.exit, text(channel.stdout), text(channel.stderr)]);
    if (exit !== 0) throw new Error(`true on ${host.name}: exit ${exit}`);
    return performance.now() - started;
  } finally {
    release();
  }
}

/** Lets the host start a new spare worker and become idle, as between two commands of a user. */
export const pause = (milliseconds = 900): Promise<void> => sleep(milliseconds);

/** Calls `act` `count` times, one after the other. */
export async function repeated<T>(count: number, act: (n: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let n = 0; n < count; n++) results.push(await act(n));
  return results;
}
