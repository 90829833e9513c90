/** Unchanged deployments to many hosts at once from one controller, compared with one host. */
import { existsSync, globSync, readFileSync, readlinkSync } from "node:fs";
import os from "node:os";
import { deploy } from "../../lib/controller/deploy";
import { defhost, type Host } from "../../lib/model/host";
import { bootMachines, type Machine } from "../support/machines";
import { hopsTo, openWorkspace, pause, repeated, timed, timedUnchanged } from "./_bench";
import { figure, median } from "./_figures";
import type { Measure } from "./_process";

/** Bytes of controller memory per host. */
const memoryBudget = 5_000_000;

export const measure: Measure = async ({ long }) => {
  using workspace = openWorkspace();
  const { applications } = workspace.host("six");
  // An installed Node is used as it is: sending the runtime is measured in first.ts.
  const nspawn = [`--bind-ro=${process.execPath}:/usr/local/bin/node`];
  const machines = await bootMachines(roomForTwenty() ? 20 : 10, { nspawn });
  try {
    const hosts = machines.map((machine, index) =>
      defhost(`fleet${index + 1}.example.org`, { deploy: [...hopsTo(machine)] }, ...applications),
    );
    return await figures(machines, hosts, long ? 15 : 5);
  } finally {
    await Promise.all(machines.map((machine) => machine.stop()));
  }
};

async function figures(machines: readonly Machine[], hosts: readonly Host[], runs: number) {
  const [one] = hosts;
  if (!one) throw new Error("no machine");
  await repeated(3, async () => {
    await timed(one, []);
    await pause();
  });
  const memory = usedMemory();
  const first = await all(hosts);
  const results = await repeated(runs, async () => {
    await untilIdle(machines);
    const alone = await timedUnchanged(one, []);
    await untilIdle(machines);
    const before = { hosts: cpuTime(machines), controller: process.cpuUsage() };
    const ms = await all(hosts);
    const { user, system } = process.cpuUsage(before.controller);
    const work = cpuTime(machines) - before.hosts;
    return { alone, ms, work, controller: (user + system) / 1000 / hosts.length };
  });
  await untilIdle(machines);
  const grown = (usedMemory() - memory) / (hosts.length - 1);
  const alone = results.map((run) => run.alone);
  // With fewer cores than hosts, the hosts wait for each other regardless of the controller.
  const work = median(results.map((run) => run.work)) / os.availableParallelism();
  const limit = { name: "one, or the hosts' work", value: Math.max(median(alone), work) };
  const label = `${hosts.length} hosts at once`;
  const times = results.map(({ ms }) => ms);
  return [
    figure("one of these hosts alone", "ms", alone),
    figure(label, "ms", times, { limit, budget: { times: 2 } }),
    figure(`${label}: the first time, connections included`, "ms", [first]),
    figure(
      `${label}: controller CPU time per host`,
      "ms",
      results.map((run) => run.controller),
    ),
    figure(`${label}: controller memory per host`, "bytes", [grown], { budget: { value: memoryBudget } }),
  ];
}

async function all(hosts: readonly Host[]): Promise<number> {
  const started = performance.now();
  const { ok, failed } = await deploy(hosts);
  if (!ok) throw new Error(failed.map(({ host, failure }) => `${host}: ${failure?.message}`).join("; "));
  return performance.now() - started;
}

/** All machines share this kernel's inotify instances, often 128, and each uses about four. */
function roomForTwenty(): boolean {
  const allowed = Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8"));
  const taken = globSync("/proc/[0-9]*/fd/*").filter((descriptor) => {
    try {
      return readlinkSync(descriptor) === "anon_inode:inotify";
    } catch {
      return false; // closed in the meantime
    }
  });
  return os.freemem() > 3e9 && allowed - taken.length > 100;
}

/** Twenty spare workers starting at once keep a small computer busy for seconds. */
async function untilIdle(machines: readonly Machine[]): Promise<void> {
  await pause();
  for (let before = cpuTime(machines), tries = 0; tries < 100; tries++) {
    await pause(300);
    const now = cpuTime(machines);
    if (now - before < 30) return;
    before = now;
  }
}

/** Bytes in use after garbage collection. Resident memory would depend on the time of the last collection. */
function usedMemory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** CPU time used by all processes in the machines so far, in milliseconds. */
function cpuTime(machines: readonly Machine[]): number {
  const top = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((each) => existsSync(`${each}/cgroup.procs`));
  const used = machines.map(({ leader }) => {
    const [, group = ""] = /^0::\/([^/\n]+)/m.exec(readFileSync(`/proc/${leader}/cgroup`, "utf8")) ?? [];
    return Number(/^usage_usec (\d+)/m.exec(readFileSync(`${top}/${group}/cpu.stat`, "utf8"))?.[1]);
  });
  return used.reduce((sum, each) => sum + each, 0) / 1000;
}
