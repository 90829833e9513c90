/** The first deployment to a bare Debian host, which has nothing of ours; and the first one after it was started anew. */
import { copyFileSync } from "node:fs";
import path from "node:path";
import { runtimeFor } from "../../lib/agent/client/runtime";
import { session } from "../../lib/session";
import { tryRun } from "../support/_run";
import { bootMachine, type Machine } from "../support/machines";
import { hopsTo, openWorkplace, repeated, timed } from "./_bench";
import { figure, median } from "./_figures";
import type { Measure } from "./_process";

export const measure: Measure = async ({ long }) => {
  using workplace = openWorkplace();
  const host = workplace.host("six");
  // Compressed once for all hosts, and kept: the very first host of all waits for that too.
  const { compressed } = await runtimeFor("Linux x86_64", "gzip");
  const runs = await repeated(long ? 9 : 3, async () => {
    await using machine = await bootMachine({ name: "bench" });
    const hops = hopsTo(machine);
    const limit = await timeCopy(machine, compressed.file);
    const { ms: first } = await timed(host, hops);
    await session.close();
    await machine.reboot();
    const { ms: rebooted } = await timed(host, hops);
    await session.close();
    return { first, rebooted, limit };
  });
  const limit = { name: "L2", value: median(runs.map((run) => run.limit)) };
  const firsts = runs.map(({ first }) => first);
  const rebooted = runs.map((run) => run.rebooted);
  return [
    figure("first contact, bare host", "ms", firsts, { limit, budget: { value: 3000, times: 1.5 } }),
    figure("first after its reboot", "ms", rebooted, { budget: { value: 1000 } }),
  ];
};

/** L2: milliseconds to copy the compressed runtime with scp, and to start a bare Node on the host. */
async function timeCopy(machine: Machine, file: string): Promise<number> {
  const node = "/opt/bench-node";
  copyFileSync(process.execPath, path.join(machine.root, node));
  const scp = ["scp", "-q", ...machine.sshOptions, file, `root@${machine.address}:/opt/bench-copy`];
  const started = performance.now();
  const { exit, stderr } = await tryRun(scp);
  if (exit !== 0) throw new Error(`scp to ${machine.name}: ${stderr}`);
  await machine.run(`${node} -e 0`);
  const ms = performance.now() - started;
  await machine.run(`rm ${node} /opt/bench-copy`);
  return ms;
}
