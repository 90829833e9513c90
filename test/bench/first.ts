/**
 * The first deployment to a bare Debian host, without our agent, compared with the bare shell; until the agent is there, with
 * and without a registry that the host downloads from; and the first after its reboot.
 */
import { isAgentConnection } from "../../lib/agent/client/connection";
import { lease } from "../../lib/controller/leases";
import { session } from "../../lib/controller/session";
import type { Hop } from "../../lib/model/hop";
import { type Host, HostModel } from "../../lib/model/host";
import { agent } from "../../lib/via";
import { bootMachine, type Machine } from "../support/machines";
import { NodeRegistry } from "../support/registry";
import { type Link, linkTo, openWorkspace, pause, repeated, timed } from "./_bench";
import { type Figure, figure, median } from "./_figures";
import type { Measure } from "./_process";

const links = [
  { name: "0 ms", roundTripMs: 0 },
  { name: "20 Mbit/s, 50 ms", roundTripMs: 50, bitsPerSecond: 20_000_000 },
];
/** As a multiple of the same over the shell alone. */
const budgets = { six: 1.15, hundred: 0.4 };
/** As a multiple of the same without a registry. */
const DOWNLOADED = 0.5;

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  // The runtime is compressed once for all hosts and cached.
  const [none = { name: "", roundTripMs: 0 }] = links;
  const rebooted = await repeated(long ? 5 : 2, () => firstAfterReboot(workspace.host("six"), none));
  const figures: Figure[] = [];
  for (const link of links)
    for (const name of ["six", "hundred"] as const) {
      const host = workspace.host(name);
      const runs = await repeated(long ? 5 : name === "six" ? 3 : 1, async () => ({
        shell: await onBareHost(link, ({ hops: [ssh] }) => timed(host, ssh ? [ssh] : [])),
        agent: await onBareHost(link, ({ hops }) => timed(host, hops)),
      }));
      const limit = { name: "shell", value: median(runs.map(({ shell }) => shell.ms)) };
      const what = `first contact, ${name === "six" ? 6 : 100} properties, ${link.name}`;
      const times = runs.map(({ agent }) => agent.ms);
      figures.push(figure(what, "ms", times, { limit, budget: { times: budgets[name] } }));
    }
  figures.push(await downloaded(workspace.host("six"), long ? 5 : 1));
  return [...figures, figure("first after its reboot", "ms", rebooted, { budget: { value: 1000 } })];
};

const firstAfterReboot = (host: Host, link: (typeof links)[number]): Promise<number> =>
  onBareHost(link, async ({ hops }, machine) => {
    await timed(host, hops);
    await arrived(host, hops);
    await session.close();
    await machine.reboot();
    await pause();
    return (await timed(host, hops)).ms;
  });

/** Over the slow link, until the agent is on the host, which downloads the runtime from a server beside it. */
async function downloaded(host: Host, runs: number): Promise<Figure> {
  const [, link = { name: "", roundTripMs: 0 }] = links;
  const once = (isOffered: boolean) =>
    onBareHost(link, async ({ hops: [ssh] }, machine) => {
      await using registry = await NodeRegistry.beside(machine);
      const hops = [ssh as Hop, agent({ registry: isOffered && registry.url })];
      const started = performance.now();
      await timed(host, hops);
      await arrived(host, hops);
      return performance.now() - started;
    });
  const times = await repeated(runs, async () => ({ without: await once(false), with: await once(true) }));
  const limit = { name: "without", value: median(times.map(({ without }) => without)) };
  const values = times.map((time) => time.with);
  return figure(`agent there, downloaded, ${link.name}`, "ms", values, {
    limit,
    budget: { times: DOWNLOADED },
  });
}

async function onBareHost<T>(
  { roundTripMs, bitsPerSecond }: (typeof links)[number],
  act: (link: Link, machine: Machine) => Promise<T>,
): Promise<T> {
  await using machine = await bootMachine({ name: "bench" });
  await pause();
  await using link = await linkTo(machine, roundTripMs, bitsPerSecond);
  try {
    return await act(link, machine);
  } finally {
    await session.close();
  }
}

/** Resolves when the agent is on the host. */
async function arrived({ name }: Host, hops: readonly Hop[]): Promise<void> {
  const { connection, release } = await lease(HostModel.named(name), hops);
  release();
  if (isAgentConnection(connection)) await connection.arrived();
}
